"""The program without the time that each start takes: forked off a process that has imported all of it.

It runs the program's own entry point, in a session and with an environment of its own. As a program of its
own, with the number of a socket, this module is the process that it is forked off.
"""

import asyncio
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from pkgutil import iter_modules
from typing import BinaryIO

import pullyard.cli
from pullyard.cli.main import run

MODULES = (
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.lifespan.on",
    "sqlalchemy.dialects.postgresql.asyncpg",
    *(f"pullyard.cli.{one.name}" for one in iter_modules(pullyard.cli.__path__) if one.name != "__main__"),
)
MESSAGE_BYTES = 1 << 20
NUMBER = b"%10d"
NUMBER_BYTES = 10


class Forked:
    """One of them, with as much of asyncio's Process as the tests use. ``wait`` says how it ended."""

    def __init__(self, pid: int, told: int, stdin: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told, self._stdin = told, stdin
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._loop.add_reader(told, self._end)

    def _end(self) -> None:
        self._loop.remove_reader(self._told)
        self.returncode = int(os.read(self._told, NUMBER_BYTES))
        os.close(self._told)
        os.close(self._stdin)
        self._ended.set_result(self.returncode)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Warm:
    """The process that they are forked off; ``close`` once all of them have ended."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(number)], pass_fds=[number], stdin=subprocess.DEVNULL
            )

    async def launch(self, words: Sequence[str], environment: Mapping[str, str], log: BinaryIO) -> Forked:
        """For long: its input ends when whoever calls this ends."""
        stdin, ours = os.pipe()
        told = self._fork(words, environment, stdin, log.fileno(), log.fileno())
        os.close(stdin)
        return Forked(int(await asyncio.to_thread(os.read, told, NUMBER_BYTES)), told, ours)

    def run(
        self, words: Sequence[str], environment: Mapping[str, str], *, stdin: str, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """As ``subprocess.run`` does it."""
        with ExitStack() as files:
            given, *said = [files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            given.write(stdin.encode())
            given.seek(0)
            told = self._fork(words, environment, *(file.fileno() for file in (given, *said)))
            try:
                process = int(os.read(told, NUMBER_BYTES))
                if not select.select([told], [], [], timeout)[0]:
                    os.kill(process, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(words), timeout)
                code = int(os.read(told, NUMBER_BYTES))
            finally:
                os.close(told)
            for file in said:
                file.seek(0)
            output, errors = (file.read().decode() for file in said)
        return subprocess.CompletedProcess(list(words), code, output, errors)

    def _fork(
        self, words: Sequence[str], environment: Mapping[str, str], stdin: int, stdout: int, stderr: int
    ) -> int:
        """Where its number is told, and then how it ended."""
        told, theirs = os.pipe()
        message = json.dumps([list(words), dict(environment), os.getcwd()]).encode()
        socket.send_fds(self._control, [message], [stdin, stdout, stderr, theirs])
        os.close(theirs)
        return told

    def close(self) -> None:
        self._control.close()
        self._process.wait()


def wait_to_become(control: socket.socket) -> bool:
    """True in each process that is forked off, which is ready to run; False in this one when it is to end."""
    # Whoever is forked off keeps the pages that nothing writes to.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, *_ = socket.recv_fds(control, MESSAGE_BYTES, 4)
        if not message:
            return False
        if os.fork() == 0:
            control.close()
            become(message, *files)
            return True
        for file in files:
            os.close(file)


def become(message: bytes, stdin: int, stdout: int, stderr: int, told: int) -> None:
    """Forks once more: one of the two is the program, the other one waits to say how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():
        for file in (stdin, stdout, stderr):
            os.close(file)
        _, status = os.waitpid(child, 0)
        # Whoever had no patience with it does not ask any more.
        with suppress(BrokenPipeError):
            os.write(told, NUMBER % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.setsid()
    os.write(told, NUMBER % os.getpid())
    for number, file in enumerate((stdin, stdout, stderr)):
        os.dup2(file, number)
    for file in (stdin, stdout, stderr, told):
        os.close(file)
    words, environment, directory = json.loads(message)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv[1:] = words


if __name__ == "__main__":
    for name in MODULES:
        import_module(name)
    if wait_to_become(socket.socket(fileno=int(sys.argv[1]))):
        run()
