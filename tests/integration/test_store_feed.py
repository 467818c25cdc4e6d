"""No reader of the feed ever passes an event that is still to come."""

import asyncio

import pytest
from sqlalchemy import text

from pullyard.store import feed as feeds
from pullyard.store.database import Database
from pullyard.store.feed import Feed, append_event


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    async with database.transaction() as connection:
        await connection.execute(text("INSERT INTO tenants (id, name) VALUES ('t', 'T'), ('u', 'U')"))
    yield database
    await database.close()


@pytest.fixture
async def feed(database):
    feed = Feed(database)
    await feed.position()
    return feed


async def append(database, kind, tenant_id="t"):
    async with database.transaction() as connection:
        return await append_event(connection, tenant_id=tenant_id, kind=kind, payload={"n": [1]})


async def kinds(feed, after=0, **filters):
    events, cursor = await feed.read(after, 100, **filters)
    return [event.kind for event in events], cursor


async def test_events_come_with_what_was_written(database, feed):
    cursor = await append(database, "a")
    (event,), following = await feed.read(0, 10)
    assert (event.cursor, event.tenant_id, event.payload, following) == (cursor, "t", {"n": [1]}, cursor)


async def test_a_later_commit_waits_for_an_earlier_cursor(database, feed):
    async with database.transaction() as early:
        first = await append_event(early, tenant_id="t", kind="early")
        await append(database, "late")
        assert await kinds(feed) == ([], 0)
        assert await kinds(feed) == ([], 0)
        assert await feed.position() < first
    assert (await kinds(feed))[0] == ["early", "late"]


async def test_a_rolled_back_cursor_is_skipped(database, feed):
    async with database.engine.connect() as early:
        await append_event(early, tenant_id="t", kind="never")
        cursor = await append(database, "late")
        assert await kinds(feed) == ([], 0)
        await early.rollback()
    assert await kinds(feed) == (["late"], cursor)


async def test_a_gap_behind_another_gap_is_not_passed_with_it(database, feed):
    async with database.engine.connect() as one, database.engine.connect() as two:
        await append_event(one, tenant_id="t", kind="one")
        await append(database, "between")
        assert await kinds(feed) == ([], 0)
        await append_event(two, tenant_id="t", kind="two")
        await append(database, "last")
        await one.commit()
        seen, cursor = await kinds(feed)
        assert seen == ["one", "between"]
        await two.commit()
    assert (await kinds(feed, cursor))[0] == ["two", "last"]


async def test_a_new_feed_waits_for_those_who_write(database):
    async with database.engine.connect() as early:
        await append_event(early, tenant_id="t", kind="early")
        last = await append(database, "late")
        position = asyncio.create_task(Feed(database).position())
        done, _ = await asyncio.wait([position], timeout=0.2)
        assert not done
        await early.commit()
    assert await position == last


async def test_one_tenant_reads_past_the_other(database, feed):
    await append(database, "theirs", "u")
    await append(database, "mine", "t")
    last = await append(database, "theirs", "u")
    assert await kinds(feed, tenant_id="t") == (["mine"], last)


async def test_waiting_ends_by_a_wake_and_by_a_rollback(database, feed, monkeypatch):
    monkeypatch.setattr(feeds, "POLL_SECONDS", 3600.0)
    async with database.engine.connect() as early:
        await append_event(early, tenant_id="t", kind="never")
        await append(database, "late")
        waiting = asyncio.create_task(feed.wait_beyond(0))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await early.rollback()
    async with asyncio.timeout(60):
        await waiting
    waiting = asyncio.create_task(feed.wait_beyond(await feed.position()))
    await append(database, "new")
    feed.wake()
    async with asyncio.timeout(60):
        await waiting


async def test_a_cancelled_look_is_not_taken_for_a_finished_one(database, feed):
    first = asyncio.create_task(feed.look())
    # The first one holds the lock by now, and the second one waits for it.
    await asyncio.sleep(0)
    second = asyncio.create_task(feed.look())
    await asyncio.sleep(0)
    first.cancel()
    cursor = await append(database, "a")
    assert await feed.position() == cursor
    assert await second in (0, cursor)


async def test_readers_at_the_same_time_share_a_look(feed):
    before = feed.looks_begun
    await asyncio.gather(*(feed.look() for _ in range(50)))
    assert feed.looks_begun <= before + 2


async def test_many_writers_lose_nothing_and_keep_the_order(database_url, database, feed):
    writing = Database(database_url, pool_size=8)
    written: list[int] = []

    async def write(number: int) -> None:
        for turn in range(40):
            async with writing.engine.connect() as connection:
                cursors = [await append_event(connection, tenant_id="t", kind="x") for _ in range(2)]
                if (turn + number) % 7:
                    await connection.commit()
                    written.extend(cursors)
                    feed.wake()

    async def follow() -> list[int]:
        seen: list[int] = []
        cursor = 0
        while not (tasks_done.is_set() and len(seen) >= len(written)):
            await feed.wait_beyond(cursor)
            events, cursor = await feed.read(cursor, 10)
            seen += [event.cursor for event in events]
        return seen

    tasks_done = asyncio.Event()
    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(number) for number in range(8)))
    tasks_done.set()
    await append(database, "end")
    feed.wake()
    async with asyncio.timeout(60):
        seen = await following
    await writing.close()
    assert seen[: len(written)] == sorted(written)
