"""The homes of reused environments, as what takes room: caches alone, since no working copy is in them.

They are emptied in place: a container that waits for its project's next task has the directory mounted.
"""

import os
from collections.abc import Collection
from pathlib import Path

from pullyard.files.locks import is_free, take
from pullyard.sandboxes.docker.environments import USED, VOLUME, lock_of
from pullyard.worker import trees
from pullyard.worker.containers import ENVIRONMENTS, unsaved
from pullyard.worker.disk import changed_at


def find_homes(data: Path) -> list[Path]:
    """Those that hold something."""
    return [home for home in sorted((data / ENVIRONMENTS).glob(f"*/{VOLUME}")) if holds_something(home)]


def homes_of(data: Path, project_id: str) -> list[Path]:
    """At most one, and never a place that the id names elsewhere."""
    return [home for home in find_homes(data) if project_of(home) == project_id]


def holds_something(home: Path) -> bool:
    try:
        with os.scandir(home) as names:
            return any(names)
    except PermissionError:
        # Its agent has closed it.
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False


def project_of(home: Path) -> str:
    return home.parent.name


def data_of(home: Path) -> Path:
    return home.parents[2]


def used_at(home: Path) -> float:
    """In seconds since 1970."""
    return changed_at(home.parent / USED)


def is_unused(home: Path) -> bool:
    return is_free(lock_of(home.parent))


def projects_with_work(data: Path) -> set[str]:
    """With executions here that go on, or whose work is not saved yet."""
    return unsaved(data / "executions")


def why_it_stays(home: Path, working: Collection[str]) -> str | None:
    return "its project has work here that is not over" if project_of(home) in working else None


def give_up(home: Path, working: Collection[str] = ()) -> str | None:
    """Empty it; or why it stays. Raises OSError."""
    lock = take(lock_of(home.parent))
    if lock is None:
        return "in use"
    try:
        stays = why_it_stays(home, working)
        if stays is None:
            trees.empty(home)
        return stays
    finally:
        lock.release()
