"""What every bus does between two replicas."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from pullyard.store.bus.exchange import PENDING_BYTES, PENDING_TOPICS
from pullyard.store.bus.protocol import Bus
from pullyard.store.bus.registry import BUSES, bus_for
from pullyard.store.errors import StoreRefused
from tests.giving_up import way_to
from tests.redis_server import redis_server

Buses = tuple[Bus, Bus]


@dataclass
class Server:
    url: str
    cut: Callable[[], Awaitable[None]]
    """Breaks every connection of the buses, and leaves the server running."""


@pytest.fixture(params=["postgresql", "redis"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "postgresql":
        url: str = request.getfixturevalue("database_url")
        yield Server(url, lambda: cut_postgres(url))
        return
    with redis_server(tmp_path) as running:
        yield Server(running.url, lambda: cut_redis(running.url))


async def cut_postgres(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'pullyard bus' AND datname = current_database()"
    )
    await connection.close()


async def cut_redis(url: str) -> None:
    redis = Redis.from_url(url)
    for kind in ("pubsub", "normal"):
        await redis.client_kill_filter(_type=kind, skipme=True)
    await redis.aclose()


class Ear:
    """Keeps what it is told, and wakes whoever waits for it."""

    def __init__(self, bus: Bus) -> None:
        self.heard: list[tuple[str | None, str]] = []
        self.news = asyncio.Event()
        self.unsubscribe = bus.subscribe(self.hear)

    def hear(self, topic: str | None, payload: str) -> None:
        self.heard.append((topic, payload))
        self.news.set()

    async def wait_for(self, topic: str | None, payload: str = "") -> None:
        async with asyncio.timeout(60):
            while (topic, payload) not in self.heard:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def buses(server: Server) -> AsyncIterator[Buses]:
    pair = bus_for(server.url, "ten_1"), bus_for(server.url, "ten_1")
    for bus in pair:
        await bus.open()
    yield pair
    for bus in pair:
        await bus.close()


async def test_both_replicas_hear_and_the_sender_hears_once(buses: Buses) -> None:
    here, there = (Ear(bus) for bus in buses)
    buses[0].publish("events", "1\n2 é")
    await there.wait_for("events", "1\n2 é")
    buses[1].publish("back")
    await here.wait_for("back")
    assert here.heard == [("events", "1\n2 é"), ("back", "")]


async def test_what_is_told_to_others_is_not_told_here(buses: Buses) -> None:
    here, there = (Ear(bus) for bus in buses)
    buses[0].tell_others("log", "1")
    await there.wait_for("log", "1")
    assert here.heard == []


async def test_a_burst_on_one_topic_is_one_message(buses: Buses) -> None:
    there = Ear(buses[1])
    for number in range(500):
        buses[0].publish("log", str(number))
    await there.wait_for("log", "499")
    assert there.heard == [("log", "499")]


async def test_too_many_topics_become_one_request_to_look_at_everything(buses: Buses) -> None:
    there = Ear(buses[1])
    for number in range(PENDING_TOPICS + 1):
        buses[0].publish(f"topic {number}")
    await there.wait_for(None)
    assert there.heard == [(None, "")]


async def test_too_many_bytes_become_one_request_to_look_at_everything(buses: Buses) -> None:
    there = Ear(buses[1])
    longest = buses[0].message_bytes - 20
    for number in range(PENDING_BYTES // longest + 1):
        buses[0].publish(f"topic {number}", "x" * longest)
    await there.wait_for(None)
    assert (None, "") in there.heard
    assert len(there.heard) < 5


async def test_the_longest_message_arrives(buses: Buses) -> None:
    there = Ear(buses[1])
    payload = "x" * (buses[0].message_bytes - 1)
    buses[0].publish("t", payload)
    await there.wait_for("t", payload)
    assert ("t", payload) in there.heard


async def test_a_lost_connection_is_made_again_and_told_on_both_sides(buses: Buses, server: Server) -> None:
    here, there = (Ear(bus) for bus in buses)
    await server.cut()
    await asyncio.gather(here.wait_for(None), there.wait_for(None))
    buses[0].publish("after")
    await there.wait_for("after")
    assert {topic for topic, _ in there.heard} == {None, "after"}


async def test_an_ended_subscription_hears_nothing(buses: Buses) -> None:
    here = Ear(buses[0])
    here.unsubscribe()
    buses[0].publish("events")
    assert here.heard == []


@pytest.mark.parametrize(("topic", "payload"), [("t", "x" * 70_000), ("a\nb", ""), ("t", "\0"), ("\0", "")])
async def test_what_cannot_be_sent_is_refused_first(buses: Buses, topic: str, payload: str) -> None:
    with pytest.raises(StoreRefused):
        buses[0].publish(topic, payload)


async def test_a_closed_bus_takes_messages_and_a_second_close(server: Server) -> None:
    bus = bus_for(server.url, "ten_1")
    await bus.open()
    here = Ear(bus)
    await bus.close()
    bus.publish("late")
    await bus.close()
    assert ("late", "") in here.heard


async def test_a_bus_closes_while_it_sends(server: Server) -> None:
    """After any number of steps of the loop, none of which may lose the cancellation."""
    for steps in range(40):
        bus = bus_for(server.url, "ten_1")
        await bus.open()
        bus.publish("events")
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await bus.close()
        assert not bus.is_connected


async def test_a_connection_that_postgres_gave_up_is_made_again(database_url: str, tmp_path: Path) -> None:
    """Before its end has come, the driver takes it for one that is in the middle of something."""
    async with way_to(database_url, tmp_path) as way:
        bus = bus_for(way.url, "ten_1")
        await bus.open()
        here = Ear(bus)
        await way.give_up()
        bus.publish("events")
        await here.wait_for(None)
        assert bus.is_connected
        await bus.close()


async def test_redis_may_be_away_at_the_start_and_in_between(tmp_path: Path) -> None:
    with redis_server(tmp_path) as running:
        pair = bus_for(running.url, "ten_1"), bus_for(running.url, "ten_1")
        there = Ear(pair[1])
        await pair[0].open()
        running.kill()
        opening = asyncio.create_task(pair[1].open())
        pair[0].publish("lost, or not")
        running.start()
        await opening
        await there.wait_for(None)
        pair[0].publish("again")
        await there.wait_for("again")
        assert all(bus.is_connected for bus in pair)
        for bus in pair:
            await bus.close()


async def test_installations_on_one_redis_do_not_hear_each_other(tmp_path: Path) -> None:
    with redis_server(tmp_path) as running:
        ours, theirs, also_ours = (bus_for(running.url, name) for name in ("ten_1", "ten_2", "ten_1"))
        for bus in (ours, theirs, also_ours):
            await bus.open()
        foreign, own = Ear(theirs), Ear(also_ours)
        ours.publish("events")
        await own.wait_for("events")
        theirs.publish("done")
        await foreign.wait_for("done")
        assert foreign.heard == [("done", "")]
        for bus in (ours, theirs, also_ours):
            await bus.close()


def test_valkey_urls_are_known_and_others_are_refused() -> None:
    assert {"valkey", "valkeys", "rediss"} <= BUSES.keys()
    with pytest.raises(StoreRefused, match="redis://"):
        bus_for("kafka://localhost", "ten_1")
