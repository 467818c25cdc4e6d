"""Waiting for files to be written, by the kernel's own events and without a thread."""

import asyncio
import ctypes
import os
from pathlib import Path
from typing import Self

MODIFIED, MOVED_TO, CREATED = 0x2, 0x80, 0x100
NON_BLOCKING, CLOSE_ON_EXEC = os.O_NONBLOCK, os.O_CLOEXEC
READ_BYTES = 1 << 16
PAUSE_SECONDS = 0.02
LIBC = ctypes.CDLL(None, use_errno=True)


class FileEvents:
    """A context manager: while it is open, ``happened`` is set by every write to a file of ``directory``.

    Who waits clears it before looking at the files. ``happened`` may be shared with other news.
    """

    def __init__(self, directory: Path, happened: asyncio.Event) -> None:
        self._directory = directory
        self._happened = happened
        self._descriptor = -1
        self._loop = asyncio.get_running_loop()
        self._pause = self._loop.call_soon(lambda: None)

    def __enter__(self) -> Self:
        self._descriptor = LIBC.inotify_init1(NON_BLOCKING | CLOSE_ON_EXEC)
        if self._descriptor < 0:
            raise OSError(
                ctypes.get_errno(), "file events can't be watched: raise fs.inotify.max_user_instances"
            )
        place = os.fsencode(self._directory)
        if LIBC.inotify_add_watch(self._descriptor, place, MODIFIED | MOVED_TO | CREATED) < 0:
            number = ctypes.get_errno()
            os.close(self._descriptor)
            raise OSError(number, os.strerror(number), str(self._directory))
        self._listen()
        return self

    def __exit__(self, *raised: object) -> None:
        self._pause.cancel()
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _listen(self) -> None:
        self._loop.add_reader(self._descriptor, self._take)

    def _take(self) -> None:
        """Which file it was does not matter: what the kernel holds is thrown away.

        The first news is told at once; then the kernel collects for a while.
        """
        self._loop.remove_reader(self._descriptor)
        os.read(self._descriptor, READ_BYTES)
        self._happened.set()
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._listen)
