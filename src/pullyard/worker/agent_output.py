"""What the agent prints, followed by file events while it runs: to the log, and to the conversation."""

import asyncio
import time
from contextlib import suppress

from watchfiles import awatch

from pullyard.agents.protocol import Agent
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.conversation import CONVERSATION_STREAM, to_line
from pullyard.sandboxes.protocol import Process
from pullyard.worker.context import Context
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.logs import LogFile

PIECE_BYTES = 256 << 10


class AgentOutput:
    """A plain agent prints into the log itself; any other into a file that its adapter reads."""

    def __init__(self, context: Context, agent: Agent) -> None:
        self._agent = agent
        self._log = context.log(Phase.IMPLEMENT)
        self._conversation = LogFile(self._log.path.parent, CONVERSATION_STREAM)
        self._limit_bytes = context.tools.settings.output_limit_bytes
        (context.directory / "output").mkdir(exist_ok=True)
        self._file = self._log if agent.plain_log else LogFile(context.directory / "output", "agent")
        self._position = self._file.size_bytes
        self._began = time.monotonic()

    def descriptor(self) -> int:
        """Where the agent's standard output and error go; the caller closes it."""
        return self._file.descriptor()

    async def follow(self, process: Process) -> int:
        """The process's exit code, once all that it printed was read.

        Raises PhaseFailed where it prints more than the limit; the caller then kills it.
        """
        ended = asyncio.Event()
        reading = asyncio.create_task(self._read_until(ended))
        waiting = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            ended.set()
            await reading
            return await waiting
        finally:
            for task in (reading, waiting):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(reading, waiting, return_exceptions=True)

    async def _read_until(self, ended: asyncio.Event) -> None:
        changes = awatch(
            self._file.path.parent,
            debounce=20,
            step=10,
            recursive=False,
            stop_event=ended,
            yield_on_timeout=True,
            rust_timeout=1000,
        )
        async for _ in changes:
            self._read_new()
        self._read_new()
        if not self._agent.plain_log:
            self._tell(b"")

    def _read_new(self) -> None:
        size = self._file.size_bytes
        if size > self._limit_bytes:
            raise PhaseFailed(
                Reason.OUTPUT_TOO_LARGE,
                f"The agent printed more than {self._limit_bytes >> 20} MiB and was stopped.",
            )
        if self._agent.plain_log:
            return
        with self._file.path.open("rb") as file:
            file.seek(self._position)
            while piece := file.read(PIECE_BYTES):
                self._position += len(piece)
                self._tell(piece)

    def _tell(self, piece: bytes) -> None:
        output = self._agent.read(piece, time.monotonic() - self._began)
        if output.log:
            self._log.append(output.log)
        if output.entries:
            self._conversation.append(b"".join(map(to_line, output.entries)))
