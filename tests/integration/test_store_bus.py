"""News between two replicas."""

import asyncio

import asyncpg
import pytest

from pullyard.store.bus import MESSAGE_BYTES, Bus
from pullyard.store.errors import StoreRefused


class Ear:
    """Keeps what it is told, and wakes whoever waits for it."""

    def __init__(self, bus):
        self.heard = []
        self.news = asyncio.Event()
        self.unsubscribe = bus.subscribe(self.hear)

    def hear(self, topic, payload):
        self.heard.append((topic, payload))
        self.news.set()

    async def wait_for(self, topic, payload=""):
        async with asyncio.timeout(10):
            while (topic, payload) not in self.heard:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def buses(database_url):
    pair = Bus(database_url), Bus(database_url)
    for bus in pair:
        await bus.open()
    yield pair
    for bus in pair:
        await bus.close()


async def test_both_replicas_hear_and_the_sender_hears_once(buses):
    here, there = (Ear(bus) for bus in buses)
    buses[0].publish("events", "1\n2")
    await there.wait_for("events", "1\n2")
    buses[1].publish("back")
    await here.wait_for("back")
    assert here.heard == [("events", "1\n2"), ("back", "")]


async def test_a_burst_on_one_topic_is_one_message(buses):
    there = Ear(buses[1])
    for number in range(500):
        buses[0].publish("log", str(number))
    await there.wait_for("log", "499")
    assert there.heard == [("log", "499")]


async def test_too_many_topics_become_one_request_to_look_at_everything(buses):
    there = Ear(buses[1])
    for number in range(5_001):
        buses[0].publish(f"topic {number}")
    await there.wait_for(None)
    assert there.heard == [(None, "")]


async def test_a_lost_connection_is_made_again_and_told_on_both_sides(buses, database_url):
    here, there = (Ear(bus) for bus in buses)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'pullyard bus' AND datname = current_database()"
    )
    await connection.close()
    await asyncio.gather(here.wait_for(None), there.wait_for(None))
    buses[0].publish("after")
    await there.wait_for("after")
    assert {topic for topic, _ in there.heard} == {None, "after"}


async def test_an_ended_subscription_hears_nothing(buses):
    here = Ear(buses[0])
    here.unsubscribe()
    buses[0].publish("events")
    assert here.heard == []


@pytest.mark.parametrize(("topic", "payload"), [("t", "x" * MESSAGE_BYTES), ("a\nb", ""), ("t", "\0")])
async def test_what_postgres_would_refuse_is_refused_first(buses, topic, payload):
    with pytest.raises(StoreRefused):
        buses[0].publish(topic, payload)
