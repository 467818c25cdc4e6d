"""The ways in which a long-running command is asked to end."""

import asyncio
import os
import signal
import sys


class End:
    """Set by SIGINT, by SIGTERM and, where asked for, when the process that started us is gone."""

    def __init__(self, *, with_parent: bool) -> None:
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked.set)
        if with_parent:
            loop.add_reader(sys.stdin.fileno(), self._read_parent)

    async def wait(self) -> None:
        await self._asked.wait()

    def _read_parent(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._asked.set()
