"""Locks on files, shared by all processes of a machine; the system frees them when their holder dies."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

POLL_SECONDS = 0.02
NOTE_BYTES = 20


class FileLock:
    """Held from ``take`` on until ``release``; ``release`` is repeatable."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def share(self) -> None:
        """Let others in who want to share it too."""
        assert self._descriptor is not None
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def sign(self) -> None:
        """Write this process's number into the file, for whoever finds it held: see ``holder_of``."""
        assert self._descriptor is not None
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def take(path: Path, *, shared: bool = False) -> FileLock | None:
    """The lock, or None where somebody else's stands against it. Raises OSError."""
    mode = os.O_RDONLY if shared else os.O_RDWR
    descriptor = os.open(path, mode | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return FileLock(descriptor)


def holder_of(path: Path) -> int | None:
    """The number of the process that signed the lock last; None where none did."""
    with path.open("rb") as file:
        note = file.read(NOTE_BYTES).decode("ascii", "replace").strip()
    return int(note) if note.isdecimal() else None


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock, shared or alone; nothing is made. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


async def wait_for(path: Path, *, shared: bool = False) -> FileLock:
    """Wait for the lock without a thread, so that a cancelled waiter leaves nothing behind."""
    while True:
        lock = take(path, shared=shared)
        if lock is not None:
            return lock
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    lock = await wait_for(path)
    try:
        yield
    finally:
        lock.release()
