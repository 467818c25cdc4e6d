"""What runs beside all else goes on, whatever it met."""

import asyncio
from pathlib import Path

from pullyard.lifecycle.execution import Phase
from pullyard.sandboxes.disk_meter import DiskMeter
from pullyard.sandboxes.protocol import Limits, SandboxSpec, Workspace
from pullyard.telemetry.loops import keep_running
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.reports import Reports
from pullyard.worker.stop import Stop

PATIENCE_SECONDS = 60


async def test_a_loop_that_a_bug_has_ended_begins_again_until_it_returns() -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise LookupError("a bug")

    async with asyncio.timeout(PATIENCE_SECONDS):
        await keep_running("loop", work, again_seconds=0.0)
    assert len(tries) == 3


async def test_a_sandbox_whose_end_failed_is_measured_on(tmp_path: Path) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()

    async def stop(sentence: str) -> None:
        told.put_nowait(sentence)
        raise LookupError("a bug")

    spec = SandboxSpec(Workspace(tmp_path, tmp_path), limits=Limits(inodes=0))
    measuring = asyncio.create_task(DiskMeter(spec, stop).run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [await told.get() for _ in range(2)] == ["The sandbox's workspace outgrew its 0 files."] * 2
    measuring.cancel()
    await asyncio.gather(measuring, return_exceptions=True)


async def test_a_report_that_can_not_be_written_down_does_not_hold_up_the_end() -> None:
    client = CoordinatorClient("http://127.0.0.1:9")
    reports = Reports(client, "exec_1", 1, Stop())
    running = asyncio.create_task(reports.run())
    for _ in range(2):
        reports.begin(Phase.PREPARE, [], {"branch": "\ud800"})
    async with asyncio.timeout(PATIENCE_SECONDS):
        await reports.sent()
    assert not running.done(), "the next report will be sent"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
