"""The worker of ``pullyard up``: a process of its own, started again when it dies, ended with us."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from pullyard.cli.places import WORKER_DIRECTORY, make_data_directory

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A worker that lived this long is started again at once."""
DRAIN_SECONDS = 2.0
"""What runs longer is saved, and goes on at the next start."""
STOP_SECONDS = 15.0
LOG_BYTES = 16 << 20

logger = structlog.get_logger(__name__)


class WorkerChild:
    """``data`` is the system's directory.

    ``token`` makes a fresh enrolment token for each start; a worker with a credential ignores it.
    """

    def __init__(self, data: Path, url: str, token: Callable[[], Awaitable[str]]) -> None:
        self._system_data = data
        self._data = make_data_directory(data / WORKER_DIRECTORY)
        self._url = url
        self._token = token
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log_path(self) -> Path:
        return self._data / "worker.log"

    async def run(self) -> None:
        """Keep one running until cancelled; then end it, with a while to put its work in order."""
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                began = asyncio.get_running_loop().time()
                self._process = await self._start()
                exit_code = await self._process.wait()
                lived = asyncio.get_running_loop().time() - began
                logger.warning("worker ended, starting it again", exit_code=exit_code, log=str(self.log_path))
                pause = FIRST_PAUSE_SECONDS if lived > STEADY_SECONDS else pause
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        finally:
            await asyncio.shield(self._stop())

    async def _start(self) -> asyncio.subprocess.Process:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES:
            self.log_path.rename(self.log_path.with_suffix(".log.1"))
        environment: Mapping[str, str] = os.environ | {
            "PULLYARD_WORKER_ENROLMENT_TOKEN": await self._token(),
            "PULLYARD_WORKER_COORDINATOR_URL": self._url,
            "PULLYARD_WORKER_EXIT_WITH_PARENT": "true",
            "PULLYARD_WORKER_DRAIN_SECONDS": str(DRAIN_SECONDS),
        }
        with self.log_path.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pullyard.cli", "worker", "--data", str(self._system_data)),
                env=environment,
                # It holds the pipe's other end: when we die in any way, the worker reads its end.
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
