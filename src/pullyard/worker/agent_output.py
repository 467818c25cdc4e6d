"""What the agent prints, followed by file events while it runs: to the log, and to the conversation."""

import asyncio
import time
from contextlib import suppress

from pullyard.agents.lines import text_of
from pullyard.agents.protocol import Agent
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.conversation import (
    CONVERSATION_STREAM,
    RESULT_CHARACTERS,
    RESULTS_STREAM,
    Entry,
    Place,
    to_line,
)
from pullyard.sandboxes.protocol import Process
from pullyard.worker.context import Context
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.file_events import FileEvents
from pullyard.worker.logs import LogFile

PIECE_BYTES = 256 << 10


class AgentOutput:
    """The agent prints into a file of its own: what it does to that file, the log keeps what came before."""

    def __init__(self, context: Context, agent: Agent) -> None:
        self._agent = agent
        self._log = context.log(Phase.IMPLEMENT)
        self._conversation = LogFile(self._log.path.parent, CONVERSATION_STREAM)
        self._results = LogFile(self._log.path.parent, RESULTS_STREAM)
        self._log_limit_bytes = context.tools.settings.log_limit_bytes
        self._limit_bytes = context.tools.settings.output_limit_bytes
        (context.directory / "output").mkdir(exist_ok=True)
        self._file = LogFile(context.directory / "output", "agent")
        self._position = self._file.size_bytes
        self._began = time.monotonic()

    def descriptor(self) -> int:
        """Where the agent's standard output and error go; the caller closes it."""
        return self._file.descriptor()

    async def follow(self, process: Process) -> int:
        """The process's exit code, once all that it printed was read.

        Raises PhaseFailed where it prints more than the limit; the caller then kills it.
        """
        reading = asyncio.create_task(self._read())
        waiting = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            exit_code = await waiting
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await self._read_new()
            self._tell(b"")
            return exit_code
        finally:
            for task in (reading, waiting):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(reading, waiting, return_exceptions=True)

    async def _read(self) -> None:
        """Until cancelled. Raises PhaseFailed where too much was printed."""
        written = asyncio.Event()
        with FileEvents(self._file.path.parent, written):
            while True:
                await self._read_new()
                await written.wait()
                written.clear()

    async def _read_new(self) -> None:
        self._check_size()
        with self._file.path.open("rb") as file:
            file.seek(self._position)
            while piece := file.read(PIECE_BYTES):
                self._position += len(piece)
                self._tell(piece)
                # An agent may print faster than it is read; the worker's other work goes on meanwhile.
                await asyncio.sleep(0)
                self._check_size()

    def _check_size(self) -> None:
        if self._file.size_bytes > self._limit_bytes:
            raise PhaseFailed(
                Reason.OUTPUT_TOO_LARGE,
                f"The agent printed more than {self._limit_bytes >> 20} MiB and was stopped.",
            )

    def _tell(self, piece: bytes) -> None:
        if self._agent.plain_log:
            self._log.append(piece)
            return
        output = self._agent.read(piece, time.monotonic() - self._began)
        if output.log:
            self._log.append(output.log)
        if output.entries:
            self._conversation.append(b"".join(to_line(self._cut(entry)) for entry in output.entries))

    def _cut(self, entry: Entry) -> Entry:
        """With the begin of a long result, and where all of it is in the log."""
        if entry.kind != "tool-result" or len(entry.text) <= RESULT_CHARACTERS:
            return entry
        whole = entry.text.encode(errors="replace")
        place = Place(stream=RESULTS_STREAM, offset=self._results.size_bytes, size_bytes=len(whole))
        entry.text = text_of(entry.text, RESULT_CHARACTERS)
        if place.offset + place.size_bytes < self._log_limit_bytes:
            self._results.append(whole + b"\n")
            entry.whole = place
        return entry
