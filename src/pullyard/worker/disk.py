"""Room on the worker's disk, looked at before a task is taken, and what takes it."""

import errno
import os
import subprocess
from pathlib import Path

MINIMUM_FREE_FILES = 5_000
"""A working copy that can make no more files is as full as one without bytes."""


def free_bytes(directory: Path) -> int:
    """What this process may still write."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def has_room(directory: Path, minimum_free_bytes: int) -> bool:
    found = os.statvfs(directory)
    # Some file systems make inodes as they need them, and count none.
    files = not found.f_files or found.f_favail >= MINIMUM_FREE_FILES
    return files and found.f_bavail * found.f_frsize >= minimum_free_bytes


def changed_at(path: Path) -> float:
    """In seconds since 1970; 0 for what somebody has removed meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def size_bytes(directory: Path) -> int:
    """The disk space of all that is below, links not followed; 0 for what is gone. Raises OSError.

    A program counts: a tree may be deeper than Python's stack, and hostile. What it can't look into, or
    what goes meanwhile, is left out.
    """
    words = ["du", "-s", "-k", "--", directory]
    said = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    total = said.partition(b"\t")[0]
    if total.isdigit():
        return int(total) * 1024
    if not os.path.lexists(directory):
        return 0
    raise OSError(errno.EIO, "its size can't be found", str(directory))
