"""The whole product: a real coordinator, a real Postgres and a worker process, to be killed at will.

Import ``system`` into nothing: it is a plugin. ``await system.start_worker()`` starts the worker; it talks to
the coordinator through ``system.proxy``.
"""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from watchfiles import awatch
from websockets.asyncio.client import connect

from pullyard.worker.reap import reap
from tests.coordinator import RunningCoordinator
from tests.fault_proxy import FaultProxy
from tests.repositories import make_bare_clone, make_repository
from tests.warm import Forked, Warm

PATIENCE_SECONDS = 60
QUICK = {
    "PULLYARD_WORKER_MINIMUM_FREE_BYTES": "0",
    "PULLYARD_WORKER_DRAIN_SECONDS": "20",
}
# The mirror's objects are what every sandbox sees from outside, so that is where it is told to go on.
HELD = 'echo reached; until [ -e "$(cat .git/objects/info/alternates)/go" ]; do sleep 0.1; done'
"""A command of a task that lasts until ``System.go_on``, however busy the machine is."""


@dataclass
class System:
    coordinator: RunningCoordinator
    proxy: FaultProxy
    root: Path
    """Readable by other accounts, unlike the test runner's own directories."""
    warm: Warm
    workers: list[Forked] = field(default_factory=list)

    @property
    def worker(self) -> Forked:
        return self.workers[-1]

    @property
    def worker_data(self) -> Path:
        return self.root / "worker"

    @property
    def worker_log(self) -> str:
        return (self.root / "worker.log").read_text(errors="replace")

    async def start_worker(self, *flags: str, **environment: str) -> Forked:
        """``environment`` is of PULLYARD_WORKER_ variables, without the prefix, in lower case."""
        chosen = {f"PULLYARD_WORKER_{name.upper()}": value for name, value in environment.items()}
        with (self.root / "worker.log").open("ab") as log:
            process = await self.warm.launch(
                ("worker", "--data", str(self.root), *flags),
                os.environ
                | QUICK
                | {
                    "PULLYARD_WORKER_COORDINATOR_URL": self.proxy.url,
                    "PULLYARD_WORKER_ENROLMENT_TOKEN": self.coordinator.enrolment,
                    "PULLYARD_WORKER_EXIT_WITH_PARENT": "true",
                }
                | chosen,
                log,
            )
        self.workers.append(process)
        return process

    async def kill_worker(self) -> None:
        """SIGKILL to the worker alone: what it started has to notice by itself."""
        self.worker.kill()
        await self.worker.wait()

    async def stop_worker(self, number: int = signal.SIGTERM) -> int:
        self.worker.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.worker.wait()

    def go_on(self) -> None:
        """Whatever is ``HELD``, here or by a later worker of this directory, ends."""
        for objects in self.worker_data.glob("mirrors/*/repository.git/objects"):
            (objects / "go").touch()

    def repository(self, files: dict[str, str | bytes] | None = None, name: str = "example") -> Path:
        """A bare repository with one commit on ``main``."""
        work = make_repository(self.root / f"{name}-work", files or {"README.md": "hello\n"})
        return make_bare_clone(work, self.root / f"{name}.git")

    async def project(self, repository: Path | str, **fields: Any) -> str:
        return await self.coordinator.project(repository=str(repository), **fields)

    async def task(self, project_id: str, command: str, **fields: Any) -> dict[str, Any]:
        """A task for the agent ``command``, given as a shell line."""
        agent = {"name": "command", "settings": {"command": command}}
        return await self.coordinator.task(project_id, **{"agent": agent, **fields})

    async def ended(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task once it is in a final state."""
        return await self.until(task["id"], "completed", "failed", "cancelled")

    async def until(self, task_id: str, *states: str) -> dict[str, Any]:
        cursor = 0
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    task = await self.coordinator.get(f"/tasks/{task_id}")
                    if task["state"] in states:
                        return task
                    page = await self.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
                    cursor = int(page["next"])
        except TimeoutError:
            pytest.fail(f"the task is {task['state']}: {task['message']}\n{self.worker_log[-4000:]}")

    async def executions(self, task: dict[str, Any]) -> list[dict[str, Any]]:
        """Oldest first."""
        page = await self.coordinator.get(f"/tasks/{task['id']}/executions")
        return sorted(page["items"], key=lambda execution: execution["id"])

    async def until_execution(self, task: dict[str, Any], *states: str) -> dict[str, Any]:
        """The task's newest execution once it is in one of the states."""
        cursor = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                executions = await self.executions(task)
                if executions and executions[-1]["state"] in states:
                    return executions[-1]
                page = await self.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
                cursor = int(page["next"])

    async def change(self, task: dict[str, Any]) -> dict[str, Any]:
        return await self.coordinator.get(f"/changes/{task['change_id']}")

    async def change_in_state(self, task: dict[str, Any], state: str) -> dict[str, Any]:
        """The task's change once it is in ``state``; fails where the errand for it failed."""
        cursor = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                change = await self.change(task)
                if change["state"] == state:
                    return change
                assert (change["errand"] or {}).get("state") != "failed", change["errand"]
                page = await self.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
                cursor = int(page["next"])

    async def until_logged(self, execution_id: str, text: bytes, stream: str = "implement") -> None:
        """Return once the stream holds ``text``; waits on the log itself."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            url = self.coordinator.url.replace("http", "ws", 1) + "/api/v1/stream"
            headers = {"authorization": f"Bearer {self.coordinator.token}"}
            async with connect(url, additional_headers=headers) as socket:
                wish = {"type": "subscribe-log", "id": "log", "execution_id": execution_id, "stream": stream}
                await socket.send(json.dumps(wish))
                seen = b""
                while text not in seen:
                    message = json.loads(await socket.recv())
                    if message["type"] == "execution-log":
                        seen += message["data"].encode()

    async def until_heard(self) -> None:
        """Return once the worker has had the answer to a heartbeat that it sends from now on."""
        beat = b"/worker/v1/heartbeat"
        sent = self.proxy.sent.count(beat)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # It sends one after the other, and one may be under way.
            await self.proxy.until_sent(beat, sent + 2)

    async def worker_waits(self) -> None:
        """Return when the worker has tried in vain to reach the coordinator, twice at least."""
        refused = self.proxy.refused
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.proxy.until_refused(refused + 2)

    async def until_worker_said(self, words: str) -> None:
        """Return once the worker's own log holds the words; waits on the file."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in awatch(self.root, recursive=False, yield_on_timeout=True, rust_timeout=200):
                if words in self.worker_log:
                    return

    async def until_there(self, name: str) -> None:
        """Return once the root directory has a file of this name; waits on the directory."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in awatch(self.root, recursive=False, yield_on_timeout=True, rust_timeout=200):
                if (self.root / name).exists():
                    return

    async def log(self, execution_id: str, stream: str = "implement") -> bytes:
        """All of the stream, page by page."""
        content = b""
        while True:
            answer = await self.coordinator.http.get(
                f"/api/v1/executions/{execution_id}/logs/{stream}", params={"offset": len(content)}
            )
            assert answer.status_code == 200, answer.text
            if not answer.content:
                return content
            content += answer.content


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    running = Warm()
    yield running
    running.close()


@pytest.fixture
async def system(coordinator: RunningCoordinator, warm: Warm) -> AsyncIterator[System]:
    with tempfile.TemporaryDirectory(prefix="pullyard-system-", dir="/tmp") as place:
        root = Path(place)
        root.chmod(0o755)
        async with FaultProxy(coordinator.url) as proxy:
            running = System(coordinator, proxy, root, warm)
            try:
                yield running
            finally:
                for worker in running.workers:
                    with suppress(ProcessLookupError):
                        os.killpg(worker.pid, signal.SIGKILL)
                    await worker.wait()
                with suppress(FileNotFoundError):
                    # As its next start would: a killed worker's control groups are nobody's else.
                    await reap(running.worker_data, (running.worker_data / "mark").read_text().split()[0])
