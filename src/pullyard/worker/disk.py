"""Room on the worker's disk, looked at before a task is taken."""

import shutil
from pathlib import Path


def free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def has_room(directory: Path, minimum_free_bytes: int) -> bool:
    return free_bytes(directory) >= minimum_free_bytes
