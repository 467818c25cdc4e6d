"""Room on the worker's disk, looked at before a task is taken, and what takes it."""

import os
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
    """The disk space of all files below, links not followed."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
