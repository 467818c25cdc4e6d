"""One file with everything in the database, and the way back."""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from pullyard.store.account import ENVIRONMENT
from pullyard.store.cluster import last_lines
from pullyard.store.errors import StoreRefused
from pullyard.store.programs import Programs, find_programs
from pullyard.store.urls import for_libpq, password_apart, without_password

KEPT_LINES = 20
MAGIC = b"PGDMP"
SHARED = ("--no-owner", "--no-privileges", "--verbose")
TABLES = (
    "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace('public')"
)
OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name IN ('pullyard', 'pullyard bus') AND pid <> pg_backend_pid()"
)
SET_ASIDE = """
    ALTER SCHEMA public RENAME TO replaced_by_restore;
    CREATE SCHEMA public;
    GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
PUT_BACK = """
    DROP SCHEMA public CASCADE;
    ALTER SCHEMA replaced_by_restore RENAME TO public;
"""
DROP_REPLACED = "DROP SCHEMA replaced_by_restore CASCADE"

Progress = Callable[[str], None]
"""Called with a line for each step, as the Postgres program words it."""


def silent(_line: str) -> None:
    """For callers who show no progress."""


async def backup(url: str, target: Path, *, progress: Progress = silent) -> None:
    """Writes one consistent state while others go on working; ``target`` is whole or stays as it was.

    Only the file's owner may read it. ``url`` must be the server's own address, not a PgBouncer's.
    """
    async with connected(url) as connection:
        programs = programs_like(connection, "pg_dump")
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        unfinished.chmod(0o600)
    except OSError as error:
        raise StoreRefused(f"The backup can't be written: {error}.", code="backup") from error
    try:
        await run(programs.path("pg_dump"), url, "--format=custom", f"--file={unfinished}", progress=progress)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


async def restore(url: str, source: Path, *, replace: bool = False, progress: Progress = silent) -> None:
    """Brings back what ``backup`` wrote, all of it or nothing; migrate afterwards.

    A database that has tables is refused, unless ``replace`` says that they may go; and always while a
    Pullyard is connected to it.
    """
    try:
        with source.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise StoreRefused(f"{source} is no backup of Pullyard.", code="backup")
    except OSError as error:
        raise StoreRefused(f"The backup can't be read: {error}.", code="backup") from error
    async with connected(url) as connection:
        if await connection.fetchval(OTHERS):
            raise StoreRefused(
                "Stop every Pullyard that uses this database, then restore.", code="data-in-use"
            )
        full = bool(await connection.fetchval(TABLES))
        if full and not replace:
            raise StoreRefused(
                f"{without_password(url)} is not empty: restore into a new database, or say that "
                "what it has may be replaced.",
                code="database-not-empty",
            )
        programs = programs_like(connection, "pg_restore")
        if full:
            await connection.execute(SET_ASIDE)
        done = False
        try:
            arguments = ("--single-transaction", "--exit-on-error", str(source))
            await run(programs.path("pg_restore"), url, *arguments, progress=progress)
            done = True
        finally:
            if full:
                await connection.execute(DROP_REPLACED if done else PUT_BACK)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(for_libpq(url), timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StoreRefused(
            f"Postgres can't be reached at {without_password(url)}: {error}", code="database-unreachable"
        ) from error
    try:
        yield connection
    finally:
        await connection.close()


def programs_like(connection: asyncpg.Connection, name: str) -> Programs:
    """Of the server's own version if possible: newer ones can read an older server, older ones can't."""
    server = connection.get_server_version().major
    try:
        return find_programs(name, major=server)
    except StoreRefused:
        return find_programs(name, at_least=server)


async def run(program: Path, url: str, *arguments: str, progress: Progress) -> None:
    address, password = password_apart(url)
    environment = {**ENVIRONMENT, "PATH": os.environ.get("PATH", ENVIRONMENT["PATH"])}
    if password is not None:
        # On the command line everybody on the machine could read it.
        environment["PGPASSWORD"] = password
    process = await asyncio.create_subprocess_exec(
        program,
        *SHARED,
        f"--dbname={address}",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    lines = deque[str](maxlen=KEPT_LINES)
    try:
        async for line in process.stderr:
            lines.append(line.decode(errors="replace").rstrip())
            progress(lines[-1])
        if await process.wait():
            reason = last_lines("\n".join(lines))
            raise StoreRefused(f"{program.name} did not succeed: {reason}", code="backup")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
