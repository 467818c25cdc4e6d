"""Coordinators and workers without the second that each start takes: forked off a process that is past it.

They run the program's own entry point, in a session and with an environment of their own. As a program of its
own, with the number of a socket, this module is the process that they are forked off.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import BinaryIO

MODULES = (
    *("pullyard.cli.main", "pullyard.cli.server", "pullyard.cli.worker"),
    *(
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.lifespan.on",
        "sqlalchemy.dialects.postgresql.asyncpg",
    ),
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
        stdin, ours = os.pipe()
        told, theirs = os.pipe()
        message = json.dumps([list(words), dict(environment)]).encode()
        socket.send_fds(self._control, [message], [stdin, log.fileno(), theirs])
        os.close(stdin)
        os.close(theirs)
        return Forked(int(await asyncio.to_thread(os.read, told, NUMBER_BYTES)), told, ours)

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
        message, files, *_ = socket.recv_fds(control, MESSAGE_BYTES, 3)
        if not message:
            return False
        if os.fork() == 0:
            control.close()
            become(message, *files)
            return True
        for file in files:
            os.close(file)


def become(message: bytes, stdin: int, log: int, told: int) -> None:
    """Forks once more: one of the two is the program, the other one waits to say how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():
        os.close(stdin)
        _, status = os.waitpid(child, 0)
        os.write(told, NUMBER % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.setsid()
    os.write(told, NUMBER % os.getpid())
    for file, number in ((stdin, 0), (log, 1), (log, 2)):
        os.dup2(file, number)
    for file in (stdin, log, told):
        os.close(file)
    words, environment = json.loads(message)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = words


if __name__ == "__main__":
    program, *_ = [import_module(name) for name in MODULES]
    if wait_to_become(socket.socket(fileno=int(sys.argv[1]))):
        program.run()
