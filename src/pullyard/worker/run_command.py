"""One command of a project, set-up or verification, inside a sandbox, with its output in the log."""

import asyncio
import os
import shlex
import time
from collections.abc import Sequence

from pullyard.protocol.worker import CommandResult
from pullyard.sandboxes.protocol import Command, Sandbox
from pullyard.worker.logs import LogFile
from pullyard.worker.network import Network

NOT_FOUND = 127


async def run_command(
    sandbox: Sandbox,
    argv: Sequence[str],
    log: LogFile,
    deadline: float,
    *,
    network: Network,
    directory: str | None = None,
) -> CommandResult:
    """``deadline`` is by the monotonic clock. Whatever the command started is gone on return."""
    log.append(f"$ {shlex.join(argv)}\n".encode())
    began = time.monotonic()
    exit_code: int | None = None
    outcome = "timed-out"
    stdout = log.descriptor()
    try:
        command = Command(
            argv=argv,
            environment=network.environment,
            directory=directory,
            stdout=stdout,
            listen_port=network.port,
        )
        process = await sandbox.start(command)
    finally:
        os.close(stdout)
    try:
        async with network.serving(process, log), asyncio.timeout(max(0.0, deadline - time.monotonic())):
            exit_code = await process.wait()
        outcome = "passed" if exit_code == 0 else "failed"
    except TimeoutError:
        # The outcome says it.
        pass
    finally:
        await process.kill()
    seconds = round(time.monotonic() - began, 3)
    return CommandResult(argv=list(argv), exit_code=exit_code, seconds=seconds, outcome=outcome)


def describe(result: CommandResult) -> str:
    """What became of a command that did not pass, as a sentence without its subject's name."""
    line = shlex.join(result.argv)[:200]
    if result.outcome == "timed-out":
        return f"'{line}' was stopped by its time limit."
    if result.exit_code == NOT_FOUND:
        return f"'{line}' was not found in the sandbox: install it on the worker or change the command."
    return f"'{line}' ended with exit code {result.exit_code}."
