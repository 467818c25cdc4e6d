"""A worker that has no coordinator yet still ends when it is told to."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from watchfiles import awatch

PATIENCE_SECONDS = 60


@asynccontextmanager
async def waiting_worker(data: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker whose coordinator does not answer, once it has locked its directory and listens to signals."""
    settings = {
        "PULLYARD_WORKER_COORDINATOR_URL": "http://127.0.0.1:9",
        "PULLYARD_WORKER_ENROLMENT_TOKEN": "pyl_enrol_nothing",
        "PULLYARD_WORKER_EXIT_WITH_PARENT": "true",
        "PULLYARD_WORKER_SANDBOX": "unsafe-directory",
    }
    arguments = (sys.executable, "-m", "pullyard.cli", "worker", "--data", str(data))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, env=os.environ | settings)
    try:
        await until_it_catches(process.pid, data)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_it_catches(pid: int, data: Path) -> None:
    """Until the process has a handler for SIGTERM; looked at whenever a moment has passed."""
    wanted = 1 << (signal.SIGTERM - 1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for _ in awatch(data, rust_timeout=50, yield_on_timeout=True):
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            if int(status["SigCgt"], 16) & wanted:
                return


async def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    async with waiting_worker(tmp_path) as worker, asyncio.timeout(PATIENCE_SECONDS):
        assert worker.stdin is not None
        worker.stdin.close()
        assert await worker.wait() == 0


async def test_it_ends_in_order_on_a_signal(tmp_path: Path) -> None:
    async with waiting_worker(tmp_path) as worker, asyncio.timeout(PATIENCE_SECONDS):
        worker.terminate()
        assert await worker.wait() == 0
