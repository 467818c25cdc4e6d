"""An agent that prints faster than its words are read stops nobody but itself."""

import asyncio
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pullyard.agents.claude_code import ClaudeCodeAgent
from pullyard.sandboxes.children import Child, Streams
from pullyard.worker.agent_output import AgentOutput
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.logs import LogFile

LIMIT_BYTES = 4 << 20
FLOOD = ("sh", "-c", """ulimit -f 131072; exec yes '{"type": "assistant"}'""")
"""Until its file has 64 MiB, which is ten times as much as can be read meanwhile."""


class Flood:
    """A process that only its killer ends, as the sandbox shows it."""

    def __init__(self, output: AgentOutput) -> None:
        descriptor = output.descriptor()
        self.child = Child(FLOOD, Streams(stdout=descriptor, stderr=subprocess.DEVNULL))
        os.close(descriptor)
        self.listener: int | None = None

    async def wait(self) -> int:
        return await self.child.wait()

    async def kill(self) -> None:
        self.child.kill()
        await self.wait()


async def longest_stall() -> float:
    """The most work that the event loop's thread did in one turn, in seconds; told when cancelled."""
    longest, last = 0.0, time.thread_time()
    try:
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()
    except asyncio.CancelledError:
        return longest


async def test_an_agent_that_prints_without_end_is_stopped_and_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    context: Any = SimpleNamespace(
        directory=tmp_path,
        tools=SimpleNamespace(
            settings=SimpleNamespace(output_limit_bytes=LIMIT_BYTES, log_limit_bytes=LIMIT_BYTES)
        ),
        log=lambda phase: LogFile(tmp_path / "logs", phase.value),
    )
    output = AgentOutput(context, ClaudeCodeAgent())
    watching = asyncio.create_task(longest_stall())
    flood = Flood(output)
    with pytest.raises(PhaseFailed, match="printed more than 4 MiB"):
        await output.follow(flood)
    await flood.kill()
    watching.cancel()
    assert await watching < 1.0
