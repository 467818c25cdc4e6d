"""The database of an installation, for the process itself and for backup and restore."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.protocol.errors import PullyardError
from pullyard.store.backup import backup, restore
from pullyard.store.cluster import DATABASE, ROLE
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.errors import StoreRefused
from pullyard.store.migrate import migrate

ARCHIVE = "archive"
"""Inside the data directory."""


class NoDatabase(PullyardError):
    """Neither an address nor a directory for the embedded one was given."""


@asynccontextmanager
async def running_database(settings: CoordinatorSettings) -> AsyncIterator[str]:
    """The address that answers while the block runs; the embedded Postgres is started and stopped by it.

    Raises StoreRefused where another process uses the same directory.
    """
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    if settings.data_dir is None:
        raise NoDatabase("Give PULLYARD_DATABASE_URL or PULLYARD_DATA_DIR.", code="no-database")
    postgres = EmbeddedPostgres(settings.data_dir / "postgres")
    url = await asyncio.to_thread(postgres.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(postgres.stop)


def archive_url(settings: CoordinatorSettings) -> str | None:
    """Where ended logs go; None where they stay in the database.

    A database of its own address may serve replicas on several machines: a directory of this one would hide
    the logs from the others, so there is none unless somebody says so.
    """
    if settings.archive_url is not None or settings.database_url is not None or settings.data_dir is None:
        return settings.archive_url
    return (settings.data_dir.resolve() / ARCHIVE).as_uri()


async def back_up(settings: CoordinatorSettings, target: Path) -> None:
    """One consistent state in one file, while a coordinator works on or while none runs."""
    try:
        async with running_database(settings) as url:
            await backup(_direct(settings, url), target)
    except StoreRefused as refused:
        if refused.code != "data-in-use" or settings.data_dir is None:
            raise
        sockets = settings.data_dir.resolve() / "postgres" / "socket"
        await backup(f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(sockets.resolve()), safe='')}", target)


async def restore_from(settings: CoordinatorSettings, source: Path, *, replace: bool) -> None:
    """All of a backup or nothing, then the newest schema. Raises StoreRefused while a coordinator runs."""
    async with running_database(settings) as url:
        await restore(_direct(settings, url), source, replace=replace)
        await migrate(_direct(settings, url))


def _direct(settings: CoordinatorSettings, url: str) -> str:
    direct = settings.direct_database_url
    return direct.get_secret_value() if direct else url
