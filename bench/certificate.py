"""A certificate of a test's own, so that a measurement can pay for TLS as a real system does."""

import subprocess
from pathlib import Path


def make_certificate(place: Path, holder: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """The certificate's file and its key's file, both in ``place``; the holder may be a ``DNS:`` name too."""
    certificate, key = place / "loopback.crt", place / "loopback.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={holder[-60:]}", "-addext", f"subjectAltName={holder}"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
