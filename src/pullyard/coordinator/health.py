"""Whether the process lives, and whether it can do its work: what a load balancer and a cluster ask."""

import asyncio
import time

from fastapi import APIRouter
from sqlalchemy import text

from pullyard import __version__
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.protocol.errors import RemoteFailure
from pullyard.protocol.resources import Version
from pullyard.protocol.versions import OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.migrate import newest_schema

router = APIRouter(tags=["status"])

DATABASE_SECONDS = 2.0
KEEP_SECONDS = 1.0
"""Everybody may ask, so however often that happens the database is asked once in so long."""


class NotReady(RemoteFailure):
    """Answered 503: other replicas should get the requests meanwhile."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons), code="not-ready", retryable=True)
        self.details = {"reasons": reasons}


class Health:
    """The last look, shared by all who ask."""

    def __init__(self) -> None:
        self._looking = asyncio.Lock()
        self._looked_at: float | None = None
        self._reasons: list[str] = []

    async def reasons(self, services: Services) -> list[str]:
        """Why this replica can't do its work; empty where it can."""
        async with self._looking:
            if self._looked_at is None or time.monotonic() - self._looked_at > KEEP_SECONDS:
                self._reasons = [*inner_reasons(services), *await database_reasons(services)]
                self._looked_at = time.monotonic()
            return self._reasons


def inner_reasons(services: Services) -> list[str]:
    reasons = []
    if services.stopping.is_set():
        reasons.append("The coordinator is about to end.")
    if not services.bus.is_connected:
        reasons.append("The bus is disconnected, so this replica does not hear the others.")
    reasons += [
        f"The background loop '{loop.get_name()}' has ended." for loop in services.loops if loop.done()
    ]
    return reasons


async def database_reasons(services: Services) -> list[str]:
    try:
        async with asyncio.timeout(DATABASE_SECONDS), services.database.own_transaction() as connection:
            schema = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DATABASE_AWAY:
        return ["The database does not answer."]
    if schema != newest_schema():
        return [f"The database has schema {schema}, and this version of Pullyard needs {newest_schema()}."]
    return []


@router.get("/healthz")
async def healthz() -> dict[str, bool]:
    """The process is up. Nothing else is looked at: a restart would not mend a database that is away."""
    return {"ok": True}


@router.get("/readyz")
async def readyz(services: ServicesNeeded) -> dict[str, bool]:
    """Database, schema, bus and background loops are well; else 503 with the reasons in `details`."""
    if reasons := await services.health.reasons(services):
        raise NotReady(reasons)
    return {"ok": True}


@router.get("/api/v1/version")
async def version() -> Version:
    spoken = list(range(OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION + 1))
    return Version(software=__version__, protocol_versions=spoken)
