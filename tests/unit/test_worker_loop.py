"""The worker's loop goes on whatever is on its disk."""

import asyncio
from pathlib import Path

import httpx
import msgspec

from pullyard.protocol.worker import ClaimRequest
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.execution import Execution
from pullyard.worker.heartbeat import Heart
from pullyard.worker.lease import Lease
from pullyard.worker.loop import Loop
from pullyard.worker.settings import WorkerSettings


async def test_a_disk_on_which_no_room_can_be_made_does_not_end_the_worker(tmp_path: Path) -> None:
    place = tmp_path / "checkouts" / "key-0" / "0"
    place.mkdir(parents=True)
    # No lock is a link, so that what may go can't be found out.
    (place / "use").symlink_to(tmp_path)
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(msgspec.json.decode(request.content, type=ClaimRequest).slots)
        loop.stopping.set()
        return httpx.Response(200, json={"grants": [], "errands": []})

    def never(*_: object, **__: object) -> Execution:
        raise AssertionError

    async def nothing(_: object) -> None: ...

    client = CoordinatorClient("http://coordinator", transport=httpx.MockTransport(answer))
    settings = WorkerSettings(data_directory=tmp_path, minimum_free_bytes=1 << 60)
    heart = Heart(client, Lease(), {}, slots=1, seconds=1)
    loop = Loop(client, heart, {}, settings=settings, begin=never, do_errand=nothing)
    async with asyncio.timeout(60):
        await loop.run(once=False)
    assert asked == [0], "it takes no task"
    await client.close()
