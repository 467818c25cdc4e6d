"""A real Postgres for the tests: one server for a whole run, a fresh migrated database for each test.

``database_url`` is the fixture to ask for; synchronous and asynchronous tests may use it alike.
"""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest

from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.migrate import migrate
from pullyard.store.urls import for_libpq, for_sqlalchemy

TEMPLATE = "template_pullyard"
MEMORY_BYTES = 1 << 30
# The data of tests need not outlive the machine.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "600"}
numbers = count(1)
T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in a loop and a thread of its own, whatever loop the test has."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


def database_of(server: str, name: str) -> str:
    """The address of another database on the same server."""
    return for_libpq(for_sqlalchemy(server).set(database=name).render_as_string(hide_password=False))


async def execute(server: str, *statements: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def make_template(server: str) -> None:
    await execute(server, f"CREATE DATABASE {TEMPLATE}")
    await migrate(database_of(server, TEMPLATE))
    await execute(server, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false IS_TEMPLATE true")


def fast_directory() -> Path:
    """Memory where there is enough of it: a new database then takes 10 ms, and on a disk up to 150."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_BYTES
    return memory if roomy else Path(tempfile.gettempdir())


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, kind)
        yield


def remove_abandoned(directory: Path) -> None:
    """Removes what runs that were killed have left; other people's and what ends just now is not ours."""
    for users in directory.parent.glob("pullyard-tests-*/users"):
        with suppress(BlockingIOError, PermissionError, FileNotFoundError), users.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(users.parent, ignore_errors=True)


@contextmanager
def shared_server(directory: Path) -> Iterator[str]:
    """The first process of a run starts the server, and stops it when all the others are done with it."""
    remove_abandoned(directory)
    directory.mkdir(exist_ok=True, mode=0o711)
    start, users, address = directory / "start", directory / "users", directory / "address"
    server: EmbeddedPostgres | None = None
    with locked(start, fcntl.LOCK_EX):
        if not address.exists():
            server = EmbeddedPostgres(directory / "postgres", settings=FAST)
            url = server.start()
            run_apart(make_template(url))
            address.write_text(url)
        using = users.open("w")
        fcntl.flock(using, fcntl.LOCK_SH)
    with using:
        yield address.read_text()
    if server is not None:
        with locked(start, fcntl.LOCK_EX), locked(users, fcntl.LOCK_EX):
            address.unlink()
            server.stop()
            shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of the run's server, as its owner."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", uuid4().hex)
    with shared_server(fast_directory() / f"pullyard-tests-{run[:12]}") as address:
        yield address


@contextmanager
def fresh_database(server: str, template: str) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(numbers)}"
    run_apart(execute(server, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    yield database_of(server, name)
    run_apart(execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty database with the newest schema, this test's own."""
    with fresh_database(postgres_server, TEMPLATE) as address:
        yield address


@pytest.fixture
def bare_database_url(postgres_server: str) -> Iterator[str]:
    """The address of a database without any schema, this test's own."""
    with fresh_database(postgres_server, "template1") as address:
        yield address
