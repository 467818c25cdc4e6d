"""One command of a project, set-up or verification, inside a sandbox, with its output in the log."""

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Sequence

from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import CommandResult
from pullyard.sandboxes.protocol import Command, Process, Sandbox
from pullyard.sandboxes.sizes import told_size
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.file_events import FileEvents
from pullyard.worker.logs import LogFile
from pullyard.worker.network import Network

NOT_FOUND = 127
FILE_TOO_LARGE = 128 + signal.SIGXFSZ
RAISE_LIMIT = "Raise it for the project (see 'pullyard project edit --help'), or ask for less."


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
    most_bytes = log.size_bytes + log.command_bytes
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
    watching = asyncio.create_task(stop_at(process, log, most_bytes))
    try:
        async with network.serving(process, log), asyncio.timeout(max(0.0, deadline - time.monotonic())):
            exit_code = await process.wait()
        outcome = "passed" if exit_code == 0 else "failed"
    except TimeoutError:
        # The outcome says it.
        pass
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await process.kill()
    if log.size_bytes > most_bytes:
        raise PhaseFailed(
            Reason.OUTPUT_TOO_LARGE,
            f"'{shlex.join(argv)[:200]}' printed more than {log.command_bytes >> 20} MiB and was stopped.",
        )
    exceeded = limits_met(sandbox, process, exit_code)
    if exceeded:
        log.line(exceeded)
    seconds = round(time.monotonic() - began, 3)
    return CommandResult(
        argv=list(argv), exit_code=exit_code, seconds=seconds, outcome=outcome, exceeded=exceeded
    )


async def stop_at(process: Process, log: LogFile, most_bytes: int) -> None:
    written = asyncio.Event()
    with FileEvents(log.path.parent, written):
        while log.size_bytes <= most_bytes:
            await written.wait()
            written.clear()
    await process.kill()


def limits_met(sandbox: Sandbox, process: Process, exit_code: int | None) -> str:
    """The sandbox's limits that a command which is over ran into, in sentences; else empty."""
    if exit_code != FILE_TOO_LARGE:
        return process.exceeded
    size = told_size(sandbox.spec.limits.file_size_bytes)
    return f"{process.exceeded} A file outgrew the sandbox's {size}.".strip()


def reason_of(result: CommandResult, otherwise: Reason) -> Reason:
    return Reason.LIMIT_REACHED if result.exceeded else otherwise


def describe(result: CommandResult) -> str:
    """What became of a command that did not pass, in sentences without its subject's name."""
    line = shlex.join(result.argv)[:200]
    if result.exceeded:
        return f"'{line}' was ended by a limit. {result.exceeded} {RAISE_LIMIT}"
    if result.outcome == "timed-out":
        return f"'{line}' was stopped by its time limit."
    if result.exit_code == NOT_FOUND:
        return f"'{line}' was not found in the sandbox: install it on the worker or change the command."
    return f"'{line}' ended with exit code {result.exit_code}."
