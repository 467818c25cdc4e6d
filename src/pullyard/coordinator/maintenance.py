"""The database of an installation, for the process itself and for backup and restore."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.protocol.errors import PullyardError
from pullyard.store.embedded import EmbeddedPostgres


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
