"""The disk of the coordinator's Postgres fills up: what was accepted stays, the rest is refused in words."""

import os
import random
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from pullyard.lifecycle.execution import Phase
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.migrate import migrate
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator
from tests.eventually import eventually
from tests.postgres import FAST, run_apart

SIZE = "112m"
PIECE_BYTES = 1 << 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


@dataclass
class SmallDisk:
    place: Path
    url: str

    def fill(self) -> None:
        with suppress(OSError), (self.place / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(b"\0" * PIECE_BYTES):
                pass

    def make_room(self) -> None:
        (self.place / "ballast").unlink(missing_ok=True)

    async def fill_log(self) -> None:
        """Until Postgres ends for it: its write-ahead log alone grows by this."""
        connection = await asyncpg.connect(self.url)
        with suppress(*DATABASE_AWAY):
            while True:
                await connection.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000))")


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    """A Postgres on a file system of its own, as small as it can do with."""
    place = Path(tempfile.mkdtemp(prefix="pullyard-small-", dir="/tmp"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0711", "tmpfs", place], check=True)
    place.chmod(0o711)
    server = EmbeddedPostgres(place / "postgres", settings=FAST)
    try:
        url = server.start()
        run_apart(migrate(url))
        yield SmallDisk(place, url)
    finally:
        server.stop()
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


@pytest.fixture
async def small(disk: SmallDisk) -> AsyncIterator[RunningCoordinator]:
    """A coordinator on it. Whatever a test does, the next one finds room."""
    async with running_coordinator(disk.url) as running:
        yield running
        disk.make_room()


def noise(seed: int, size_bytes: int) -> str:
    """What no compression makes smaller by much."""
    return random.Random(seed).randbytes(size_bytes // 2).hex()


async def add(coordinator: RunningCoordinator, project: str, number: int) -> httpx.Response:
    wish = {"title": f"number {number}", "description": noise(number, 50_000)}
    return await coordinator.http.post(f"/api/v1/projects/{project}/tasks", json=wish)


async def titles(coordinator: RunningCoordinator, project: str) -> list[str]:
    page = await coordinator.get(f"/tasks?project_id={project}&limit=200")
    return sorted(task["title"] for task in page["items"])


def check_refusal(answer: httpx.Response) -> None:
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["code"]) == (503, "disk-full"), answer.text
    assert "make room" in said["detail"]
    assert answer.headers["retry-after"] == "1"


async def test_tasks_are_refused_while_there_is_no_room(small: RunningCoordinator, disk: SmallDisk) -> None:
    project = await small.project(max_running=1)
    assert (await add(small, project, 0)).status_code == 201
    disk.fill()
    accepted = ["number 0"]
    for number in range(1, 50):
        answer = await add(small, project, number)
        if answer.status_code != 201:
            break
        accepted.append(f"number {number}")
    check_refusal(answer)
    assert await titles(small, project) == sorted(accepted)
    disk.make_room()
    assert (await add(small, project, 99)).status_code == 201
    assert await titles(small, project) == sorted([*accepted, "number 99"])


async def begin(coordinator: RunningCoordinator) -> tuple[WireWorker, Any]:
    """With a label of its own, so that no other test's task comes in between."""
    await coordinator.task(await coordinator.project(labels=["small"]))
    worker = await coordinator.worker("small")
    return worker, await worker.claim()


async def test_no_byte_of_a_log_is_acknowledged_before_it_is_kept(
    small: RunningCoordinator, disk: SmallDisk
) -> None:
    worker, grant = await begin(small)
    disk.fill()
    kept = b""
    for number in range(200):
        piece = noise(number, 100_000).encode()
        answer = await worker.log(grant, piece, offset=len(kept))
        if answer.status_code != 200:
            break
        kept += piece
    check_refusal(answer)
    path = f"/api/v1/executions/{grant.execution_id}/logs/implement?limit=1048576"
    assert (await small.http.get(path)).content == kept
    disk.make_room()
    assert (await worker.log(grant, piece, offset=len(kept))).json() == {"end": len(kept + piece)}
    assert (await worker.finish(grant, phases=[Phase.PREPARE, Phase.IMPLEMENT])).status_code == 200
    assert (await small.http.get(path)).content == kept + piece


async def test_a_postgres_that_dies_of_it_is_waited_for(small: RunningCoordinator, disk: SmallDisk) -> None:
    """Without room for its own log Postgres ends, and can't start again before there is some."""
    project = await small.project(max_running=1)
    assert (await add(small, project, 0)).status_code == 201
    disk.fill()
    await disk.fill_log()
    answer = await add(small, project, 1)
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    disk.make_room()

    async def accepted() -> bool:
        return (await add(small, project, 2)).status_code == 201

    await eventually(accepted)
    assert await titles(small, project) == ["number 0", "number 2"]
