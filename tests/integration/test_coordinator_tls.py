"""The coordinator speaks TLS by itself, where it is given a certificate and its key."""

import ssl
from pathlib import Path

import httpx
import pytest
from bench.certificate import make_certificate

from pullyard.coordinator.server import TlsRefused
from tests.coordinator import running_coordinator


async def test_a_certificate_makes_it_answer_over_tls(database_url: str, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with running_coordinator(database_url, tls_certificate=certificate, tls_key=key) as coordinator:
        assert coordinator.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=certificate)
        async with httpx.AsyncClient(base_url=coordinator.url, verify=trusting) as client:
            assert (await client.get("/healthz")).json() == {"ok": True}


async def test_what_is_no_pair_of_certificate_and_key_is_told_before_anything_starts(
    tmp_path: Path,
) -> None:
    certificate, key = make_certificate(tmp_path)
    nowhere = "postgresql://127.0.0.1:1/none"
    for wrong in (
        {"tls_certificate": certificate},
        {"tls_certificate": key, "tls_key": certificate},
        {"tls_certificate": tmp_path / "none", "tls_key": key},
    ):
        with pytest.raises(TlsRefused):
            async with running_coordinator(nowhere, **wrong):
                pass
