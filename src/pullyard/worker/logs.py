"""Logs leave the worker exactly once: a file per stream is the spool, its offset is the only state.

Writers append to ``logs/<stream>.log``; a shipper follows the files by file events and sends zstd frames
by offset. The coordinator acknowledges after commit and, where the two disagree, names the offset it wants.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog
import zstandard

from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.conversation import CONVERSATION_STREAM, RESULTS_STREAM
from pullyard.protocol.errors import PullyardError
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.file_events import FileEvents
from pullyard.worker.masking import REACH_BYTES, Masker

logger = structlog.get_logger(__name__)

FRAME_BYTES = 256 << 10
FULL_BYTES = 32 << 10
"""So much waiting is sent without waiting for the interval."""
INTERVAL_SECONDS = 1.0
WATCHED_INTERVAL_SECONDS = 0.1
LIMIT_NOTICE = b"\n[pullyard] The log limit is reached; what follows is not kept.\n"
COMMAND_BYTES = 512 << 20
STREAMS = (*(phase.value for phase in Phase), CONVERSATION_STREAM, RESULTS_STREAM)


class LogFile:
    """One stream's spool. The agent may write to the same file, through a descriptor of its own."""

    def __init__(self, directory: Path, stream: str, command_bytes: int = COMMAND_BYTES) -> None:
        self.path = directory / f"{stream}.log"
        self.stream = stream
        self.command_bytes = command_bytes
        """A command that writes more is stopped."""

    def append(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(data)

    def line(self, text: str) -> None:
        """Append one line of the worker's own words, marked so that a reader can tell them from output."""
        self.append(f"[pullyard] {text}\n".encode())

    def descriptor(self) -> int:
        """For a process's output; the caller closes it. Appending, so that both writers keep their words."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def tail(self, start: int, limit_bytes: int) -> bytes:
        """The end of what was written after the first ``start`` bytes, at most so much of it."""
        with self.path.open("rb") as file:
            file.seek(max(start, self.size_bytes - limit_bytes))
            return file.read(limit_bytes)

    @property
    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


class LogShipper:
    """Sends all streams of one execution until it is told that no more will be written."""

    def __init__(
        self,
        client: CoordinatorClient,
        directory: Path,
        *,
        execution_id: str,
        fence: int,
        limit_bytes: int,
        watched: Callable[[], bool],
        masker: Masker | None = None,
    ) -> None:
        self._masker = masker or Masker()
        self._client = client
        self._directory = directory
        self._files = {stream: LogFile(directory, stream) for stream in STREAMS}
        self._execution_id = execution_id
        self._fence = fence
        self._limit_bytes = limit_bytes
        self._watched = watched
        self._sent: dict[str, int] = {}
        self._hurried = False
        self._complete = asyncio.Event()
        self._written = asyncio.Event()
        self._compressor = zstandard.ZstdCompressor(level=3)

    def complete(self) -> None:
        """No more will be written: ``run`` sends the rest and returns."""
        self._complete.set()
        self._written.set()

    def hurry(self) -> None:
        """Send what is there now: at the end of a phase no more of it comes, so waiting gains nothing."""
        self._hurried = True
        self._written.set()

    async def run(self) -> None:
        """Raises LostLease where the execution is no longer ours, RequestError where a frame is refused."""
        with FileEvents(self._directory, self._written):
            # What was written before the watch stood is news too.
            self._written.set()
            while not self._complete.is_set():
                await self._written.wait()
                self._written.clear()
                await self._gather()
                self._hurried = False
                await self._send_all()
            await self._send_all()

    async def _gather(self) -> None:
        """Let a little more come, so that a chatty agent costs few frames."""
        interval = WATCHED_INTERVAL_SECONDS if self._watched() else INTERVAL_SECONDS
        clock = asyncio.get_running_loop().time
        until = clock() + interval
        while self._waiting_bytes() < FULL_BYTES and not (self._hurried or self._complete.is_set()):
            left = until - clock()
            if left <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._written.wait(), left)
            self._written.clear()

    def _waiting_bytes(self) -> int:
        return sum(self._size(stream) - self._sent.get(stream, 0) for stream in STREAMS)

    def _size(self, stream: str) -> int:
        """What is to be sent: the file, or its beginning and a notice where it is over the limit."""
        written = self._files[stream].size_bytes
        return written if written <= self._limit_bytes else self._limit_bytes + len(LIMIT_NOTICE)

    async def _send_all(self) -> None:
        """The streams at the same time, so that their commits share one write to the disk."""
        waiting = [stream for stream in STREAMS if self._size(stream) > self._sent.get(stream, 0)]
        sending = [asyncio.create_task(self._send(stream)) for stream in waiting]
        try:
            await asyncio.gather(*sending)
        finally:
            for task in sending:
                task.cancel()

    async def _send(self, stream: str) -> None:
        size = self._size(stream)
        while (offset := self._sent.get(stream, 0)) < size:
            data = self._masked(stream, offset, min(FRAME_BYTES, size - offset))
            if not data:
                break
            frame = self._compressor.compress(data)
            self._sent[stream] = await until_answered(
                lambda offset=offset, frame=frame: self._client.append_log(
                    self._execution_id, stream, fence=self._fence, offset=offset, frame=frame
                )
            )
            reached("log-answered")

    def _masked(self, stream: str, offset: int, size: int) -> bytes:
        """Less than was asked for where it ends with what may be the begin of a secret."""
        data = self._read(stream, offset, size)
        before = self._read(stream, max(0, offset - REACH_BYTES), min(offset, REACH_BYTES))
        end = offset + len(data)
        whole = end >= self._limit_bytes or (self._complete.is_set() and end >= self._size(stream))
        return self._masker.piece(before, data, whole=whole)

    def _read(self, stream: str, offset: int, size: int) -> bytes:
        if offset >= self._limit_bytes:
            return LIMIT_NOTICE[offset - self._limit_bytes :]
        with self._files[stream].path.open("rb") as file:
            file.seek(offset)
            return file.read(min(size, self._limit_bytes - offset))


async def ship(shipper: LogShipper) -> None:
    """Run a shipper as a task of its own: what it can't send is on disk and is told, not raised."""
    try:
        await shipper.run()
    except (PullyardError, OSError) as error:
        # Also where the system watches no more files or reads none: the end must be told all the same.
        logger.warning("log not sent", problem=str(error))
