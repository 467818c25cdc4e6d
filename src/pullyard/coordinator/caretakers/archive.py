"""Logs of ended executions are put away, and removed when their time has come."""

import asyncio
import secrets
from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.logs.settle import Attempt, Superseded, settle_in_database, settle_in_object
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.conversation import CONVERSATION_STREAM
from pullyard.protocol.errors import RemoteFailure
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services
    from pullyard.store.objects import Objects

ATTEMPT_SECONDS = 600.0
"""Nobody else tries a log for so long after an archiver took it; it gives up itself after half of that."""
KEPT_FOR_EVER = (CONVERSATION_STREAM,)

logger = structlog.get_logger(__name__)


class LogArchiver:
    """A loop of its own, so that no lease waits for an object storage. Any number of replicas run one each:
    a log is taken by one of them at a time."""

    async def run(self, services: "Services") -> None:
        """Until cancelled."""
        while True:
            structlog.contextvars.clear_contextvars()
            try:
                await self.round(services)
            except RemoteFailure as error:
                logger.warning("archive waits for the object storage", problem=error.message)
            except DATABASE_AWAY as error:
                logger.warning("archive waits for the database", error=type(error).__name__)
            except Exception:
                # The log in question is left alone for a while; the others must not wait for a mended bug.
                logger.exception("a bug in the log archiver")
            await asyncio.sleep(services.settings.archive_seconds)

    async def round(self, services: "Services") -> None:
        """Puts away all that is due, one log after the other, and removes what has expired.

        Raises RemoteFailure where the object storage is away: the rest would fare no better now.
        """
        while await self.settle_next(services):
            pass
        await expire(services)
        if services.objects is not None:
            await remove_unwanted(services, services.objects)

    async def settle_next(self, services: "Services") -> bool:
        """True where there was a log to put away."""
        objects = services.objects
        claimed = await claim(services, ["frames"] if objects is None else ["frames", "compacted"])
        if claimed is None:
            return False
        attempt, abandoned_key = claimed
        structlog.contextvars.bind_contextvars(execution_id=attempt.execution_id, stream=attempt.stream)
        reached("log-archive-claimed")
        settled = False
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS / 2):
                await self.put_away(services, attempt, abandoned_key)
            settled = True
            place = "database" if objects is None else "object-storage"
            services.metrics.logs_settled.labels(place).inc()
            logger.info("log put away", size_bytes=attempt.size_bytes)
        except TimeoutError:
            logger.warning("log not put away in time", size_bytes=attempt.size_bytes)
        except RemoteFailure as error:
            if error.retryable:
                raise
            logger.error("log can't be put away", problem=error.message)  # noqa: TRY400
        except Superseded:
            logger.warning("log is put away by another replica")
            if objects is not None:
                # Nobody knows this object's name but us.
                await objects.delete(attempt.key)
        finally:
            if not settled:
                await postpone(services, attempt)
        return True

    async def put_away(self, services: "Services", attempt: Attempt, abandoned_key: str | None) -> None:
        objects = services.objects
        if objects is None:
            await settle_in_database(services, attempt)
            return
        if abandoned_key is not None:
            await objects.delete(abandoned_key)
        await settle_in_object(services, objects, attempt)


async def claim(services: "Services", places: list[str]) -> tuple[Attempt, str | None] | None:
    """An attempt, and the object that one before it may have left; None where nothing is due."""
    parameters = {
        "places": places,
        "after_seconds": services.settings.archive_after_seconds,
        "token": secrets.token_hex(4),
        "attempt_seconds": ATTEMPT_SECONDS,
    }
    async with services.database.transaction() as connection:
        row = (await connection.execute(named("log_settle_claim"), parameters)).one_or_none()
    if row is None:
        return None
    attempt = Attempt(row.tenant_id, row.execution_id, row.stream, row.size_bytes, row.attempt_key)
    return attempt, row.abandoned_key


async def postpone(services: "Services", attempt: Attempt) -> None:
    parameters = {
        **attempt.stream_key,
        "key": attempt.key,
        "retry_seconds": 2 * services.settings.archive_seconds,
    }
    async with services.database.transaction() as connection:
        await connection.execute(named("log_settle_postpone"), parameters)


async def expire(services: "Services") -> None:
    """Logs that are older than the settings say stop being readable; their objects go afterwards."""
    days = services.settings.log_retention_days
    parameters = {"retention_days": days, "kept": list(KEPT_FOR_EVER)}
    gone = 1 if days else 0
    while gone:
        async with services.database.transaction() as connection:
            gone = len((await connection.execute(named("logs_expire"), parameters)).all())
        if gone:
            services.metrics.logs_expired.inc(gone)
            logger.info("logs expired", count=gone, retention_days=days)
    reached("log-expired")


async def remove_unwanted(services: "Services", objects: "Objects") -> None:
    """The name of an object is forgotten once it is gone, and not before."""
    while True:
        async with services.database.transaction() as connection:
            found = (await connection.execute(named("log_objects_unwanted"))).all()
        rows = [row._asdict() for row in found]
        for row in rows:
            await objects.delete(row["object_key"])
            reached("log-object-removed")
            async with services.database.transaction() as connection:
                await connection.execute(named("log_object_gone"), row)
        if not rows:
            return
