"""A PgBouncer in transaction mode: every transaction may be on another server connection."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from pullyard.store.account import choose_account
from pullyard.store.bus.postgres import PostgresBus
from pullyard.store.database import Database
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.feed import Feed, append_event
from pullyard.store.migrate import migrate
from tests.postgres import FAST, fast_directory

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer"
)

CONFIGURATION = """
[databases]
* = host={server} user=pullyard pool_size=2
[pgbouncer]
pool_mode = transaction
auth_type = any
listen_addr =
unix_socket_dir = {sockets}
listen_port = 6432
server_idle_timeout = 1
"""


@pytest.fixture
def place():
    path = Path(tempfile.mkdtemp(prefix="pullyard-pool-", dir=fast_directory()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server_url(place):
    """A server of its own: the pool connects from the account of Postgres, which is else not let in."""
    rules = place / "rules"
    rules.write_text("local all all trust\n")
    server = EmbeddedPostgres(place / "server", settings={**FAST, "hba_file": str(rules)})
    yield server.start()
    server.stop()


@pytest.fixture
def pooled_url(server_url, place):
    """The same database through a pool of two server connections."""
    account, sockets, url = choose_account(), place / "pool", make_url(server_url)
    sockets.mkdir()
    account.own(sockets)
    file = place / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(server=url.query["host"], sockets=sockets))
    with subprocess.Popen([str(PROGRAM), file], stderr=subprocess.PIPE, **account.process_options()) as pool:
        for line in pool.stderr:
            if b"process up" in line:
                break
        yield f"postgresql://pullyard@/{url.database}?host={sockets}&port=6432"
        pool.kill()


@pytest.fixture
async def database(server_url, pooled_url):
    await migrate(server_url)
    database = Database(pooled_url, direct_url=server_url, pool_size=8)
    await database.open()
    yield database
    await database.close()


async def test_many_clients_share_two_server_connections(database):
    async def work(number):
        for turn in range(10):
            async with database.transaction() as connection:
                given = {"value": {"number": number, "turn": turn}, "many": [str(number)]}
                statement = text(r"SELECT :value\:\:jsonb AS value, :many\:\:text[] AS many")
                row = (await connection.execute(statement, given)).mappings().one()
                assert dict(row) == given

    await asyncio.gather(*(work(number) for number in range(8)))


async def test_the_feed_and_the_bus_work_beside_it(database):
    bus, feed = PostgresBus(database.direct_url), Feed(database)
    await bus.open()
    bus.subscribe(lambda _topic, _payload: feed.wake())
    position = await feed.position()
    async with database.transaction() as connection:
        await connection.execute(text("INSERT INTO tenants (id, name) VALUES ('t', 'T')"))
        await append_event(connection, tenant_id="t", kind="k")
    bus.publish("events")
    await feed.wait_beyond(position)
    events, _ = await feed.read(position)
    assert [event.kind for event in events] == ["k"]
    await bus.close()


async def test_migrating_through_it_works_too(pooled_url, server_url):
    await migrate(pooled_url)
    database = Database(pooled_url, direct_url=server_url)
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    await database.close()
