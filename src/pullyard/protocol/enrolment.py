"""How a worker comes to a coordinator, and comes back: a part of ``protocol.worker``'s wire."""

from typing import Any

import msgspec


class ConnectRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/connect``: a worker (re)starts with the credential that it has."""

    protocol_versions: list[int]
    software_version: str
    labels: list[str] = []
    slots: int = 1
    arch: str = ""
    facts: dict[str, Any] = {}
    """What was measured on the machine: sandbox backends and their start times, programs, disk."""


class Connected(msgspec.Struct, kw_only=True):
    worker_id: str
    protocol_version: int
    heartbeat_seconds: float
    lease_seconds: float
    public_url: str | None = None
    """Where people find the coordinator, where its owner said so."""


class EnrolRequest(ConnectRequest, kw_only=True):
    """``POST /worker/v1/enrol``, with the enrolment token as the bearer."""

    name: str


class Enrolment(Connected, kw_only=True):
    """How a new worker stands, with what it shows from now on."""

    credential: str
    """A secret; the coordinator keeps only its hash. Renewed by ``POST /worker/v1/credential``."""
    credential_seconds: int


class Credential(msgspec.Struct, kw_only=True):
    """The next credential of a worker, as in ``Enrolment``."""

    credential: str
    credential_seconds: int
