"""A backup comes back whole, or not at all."""

import stat

import asyncpg
import pytest

from pullyard.store.backup import backup, restore
from pullyard.store.database import Database
from pullyard.store.errors import StoreRefused
from pullyard.store.migrate import migrate
from tests.postgres import database_of, execute

ONE_TENANT = """
    INSERT INTO tenants (id, name) VALUES ('t', 'Team');
    INSERT INTO events (tenant_id, kind) VALUES ('t', 'k');
"""


async def fetch(url, statement):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_everything_comes_back_and_work_goes_on(database_url, bare_database_url, tmp_path):
    await execute(database_url, ONE_TENANT)
    file, steps = tmp_path / "pullyard.backup", []
    await backup(database_url, file, progress=steps.append)
    assert any("tenants" in step for step in steps)
    await restore(bare_database_url, file)
    await migrate(bare_database_url)
    assert await fetch(bare_database_url, "SELECT name FROM tenants") == "Team"
    before = await fetch(bare_database_url, "SELECT max(cursor) FROM events")
    await execute(bare_database_url, "INSERT INTO events (tenant_id, kind) VALUES ('t', 'next')")
    assert await fetch(bare_database_url, "SELECT max(cursor) FROM events") > before


async def test_only_the_owner_reads_the_file_and_nothing_else_is_left(database_url, tmp_path):
    file = tmp_path / "pullyard.backup"
    await backup(database_url, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


async def test_a_full_database_is_replaced_only_when_told(database_url, tmp_path):
    file = tmp_path / "pullyard.backup"
    await execute(database_url, ONE_TENANT)
    await backup(database_url, file)
    await execute(database_url, "UPDATE tenants SET name = 'Changed'", "CREATE TABLE newer (id text)")
    with pytest.raises(StoreRefused) as refused:
        await restore(database_url, file)
    assert refused.value.code == "database-not-empty"
    await restore(database_url, file, replace=True)
    assert await fetch(database_url, "SELECT name FROM tenants") == "Team"
    assert await fetch(database_url, "SELECT to_regclass('newer')") is None


async def test_a_replaced_database_can_be_backed_up_again(database_url, bare_database_url, tmp_path):
    file = tmp_path / "pullyard.backup"
    await backup(database_url, file)
    await restore(database_url, file, replace=True)
    await backup(database_url, file)
    await restore(bare_database_url, file)
    assert await fetch(bare_database_url, "SELECT version_num FROM alembic_version") is not None


async def test_a_damaged_backup_changes_nothing(database_url, tmp_path):
    file = tmp_path / "pullyard.backup"
    await backup(database_url, file)
    file.write_bytes(file.read_bytes()[:-2_000])
    await execute(database_url, ONE_TENANT)
    with pytest.raises(StoreRefused, match="pg_restore did not succeed"):
        await restore(database_url, file, replace=True)
    assert await fetch(database_url, "SELECT name FROM tenants") == "Team"


async def test_a_failed_backup_keeps_the_one_before(database_url, tmp_path):
    file = tmp_path / "pullyard.backup"
    file.write_text("the one before")
    with pytest.raises(StoreRefused):
        await backup(database_of(database_url, "missing"), file)
    assert file.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [file]


async def test_what_is_no_backup_is_refused(database_url, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    with pytest.raises(StoreRefused, match="no backup"):
        await restore(database_url, file)


async def test_nothing_is_replaced_under_a_running_pullyard(database_url, tmp_path):
    file = tmp_path / "pullyard.backup"
    await backup(database_url, file)
    database = Database(database_url)
    await database.open()
    with pytest.raises(StoreRefused, match="Stop every Pullyard"):
        await restore(database_url, file, replace=True)
    await database.close()
