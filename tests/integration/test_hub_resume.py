"""Nothing lost and nothing doubled, whenever and however often the connection breaks."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from pullyard.protocol.worker import Grant
from tests.coordinator import RunningCoordinator, WireWorker
from tests.live import begin, data_of, hear, listening, say

PIECES = 40


@dataclass
class Reader:
    """Follows everything, some projects and a log at once; after every break it goes on from where it was."""

    coordinator: RunningCoordinator
    execution_id: str
    chance: random.Random
    wishes: dict[str, dict[str, Any]]
    cursors: dict[str, int] = field(default_factory=dict[str, int])
    events: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    log: bytes = b""
    complete: bool = False
    until: dict[str, int] | None = None
    """How many events each subscription has to bring; unknown until all are written."""

    @property
    def done(self) -> bool:
        if not self.complete or self.until is None:
            return False
        return all(len(self.events[name]) >= number for name, number in self.until.items())

    async def read(self) -> None:
        self.events = {name: [] for name in self.wishes}
        while not self.done:
            async with listening(self.coordinator, max_queue=self.chance.choice([1, 4, None])) as socket:
                await self._subscribe(socket)
                for _ in range(self.chance.randrange(1, 60)):
                    if self.done:
                        break
                    self._take(await hear(socket))
                socket.transport.abort()

    async def _subscribe(self, socket: ClientConnection) -> None:
        for name, wish in self.wishes.items():
            await say(socket, "subscribe-events", id=name, cursor=self.cursors.get(name, 0), **wish)
        if not self.complete:
            about = {"execution_id": self.execution_id, "stream": "implement", "offset": len(self.log)}
            await say(socket, "subscribe-log", id="log", **about)

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribed":
                pass
            case "execution-log":
                assert message["offset"] == len(self.log)
                self.log += data_of(message)
            case "completion":
                assert message["offset"] == len(self.log)
                self.complete = True
            case _:
                assert message["type"].endswith("-update"), message
                self.events[message["subscription"]].append(message["cursor"])
                self.cursors[message["subscription"]] = message["cursor"]


async def write_log(worker: WireWorker, grant: Grant, chance: random.Random) -> bytes:
    """Pieces of every size, cut without regard to characters; the largest are more than one message."""
    whole = b""
    for _ in range(PIECES):
        piece = chance.randbytes(3) * chance.choice([1, 30, 3000, 200_000])
        assert (await worker.log(grant, piece, offset=len(whole))).status_code == 200
        whole += piece
    await worker.finish(grant, reason="no_change")
    return whole


async def write_events(coordinator: RunningCoordinator, projects: list[str], chance: random.Random) -> None:
    async def some() -> None:
        for _ in range(PIECES // 3):
            await coordinator.task(chance.choice(projects))

    await asyncio.gather(*(some() for _ in range(3)))


@pytest.mark.parametrize("seed", range(3))
async def test_every_reader_gets_what_the_database_holds(coordinator: RunningCoordinator, seed: int) -> None:
    chance = random.Random(seed)
    worker, grant = await begin(coordinator)
    projects = [await coordinator.project() for _ in range(3)]
    wishes: dict[str, dict[str, Any]] = {
        "all": {},
        "two": {"project_ids": projects[:2]},
        "one": {"project_id": projects[2]},
        "execution": {"execution_id": grant.execution_id},
    }
    readers = [
        Reader(coordinator, grant.execution_id, random.Random(f"{seed} {n}"), wishes) for n in range(4)
    ]
    reading = asyncio.gather(*(reader.read() for reader in readers))
    whole, _ = await asyncio.gather(
        write_log(worker, grant, chance), write_events(coordinator, projects, chance)
    )
    stored = await coordinator.events()
    expected = {
        "all": [one["cursor"] for one in stored],
        "two": [one["cursor"] for one in stored if one["project_id"] in projects[:2]],
        "one": [one["cursor"] for one in stored if one["project_id"] == projects[2]],
        "execution": [one["cursor"] for one in stored if one["execution_id"] == grant.execution_id],
    }
    for reader in readers:
        reader.until = {name: len(cursors) for name, cursors in expected.items()}
    # One more event, for those who have everything and wait.
    await coordinator.task(projects[0])
    await reading
    for reader in readers:
        assert reader.log == whole
        for name, cursors in expected.items():
            assert reader.events[name][: len(cursors)] == cursors, name
