"""Prepared checkouts: the read-only lower layers of overlays, one directory per commit, used again and again.

Layout of ``<root>/<mirror>-<uid>/<number>/``: ``tree/``, ``index``, ``commit`` (there only while the tree is
whole) and ``use``, the lock that users share and that whoever changes the tree holds alone.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from pullyard.files.locks import FileLock, locked, take
from pullyard.files.writes import replace_file
from pullyard.git.errors import GitFailed
from pullyard.git.program import Git
from pullyard.worker import trees
from pullyard.worker.mirrors import Mirror
from pullyard.worker.threads import in_thread

AGE_SECONDS = 10
"""How old the files of a checkout claim to be at least: so no later edit has the same time by chance."""
SPREAD_SECONDS = 7919
"""Times of neighbours differ, so that one file moved over another of the same size is seen as a change."""


@dataclass
class Checkout:
    """Stays as it is until ``lock`` is released."""

    tree: Path
    index: Path
    commit: str
    lock: FileLock


class Checkouts:
    def __init__(self, root: Path, git: Git) -> None:
        self.root = root
        self.git = git

    async def take(self, mirror: Mirror, commit: str, uid: int | None) -> Checkout:
        """A checkout of ``commit`` that ``uid`` owns, shared with others who use it now.

        One that nobody uses is moved to ``commit``; where all are in use a new one is made. Raises
        GitFailed where the mirror is damaged.
        """
        family = self.root / f"{mirror.key}-{'own' if uid is None else uid}"
        family.mkdir(parents=True, exist_ok=True)
        async with locked(family / "lock"):
            places = sorted(path for path in family.iterdir() if path.is_dir())
            for place in places:
                if commit_of(place) == commit and (lock := take(place / "use", shared=True)):
                    return Checkout(place / "tree", place / "index", commit, lock)
            for place in places:
                if lock := take(place / "use"):
                    break
            else:
                place = family / str(len(places))
                place.mkdir()
                lock = take(place / "use")
            assert lock is not None
            try:
                await self._move(place, mirror, commit, uid)
            except BaseException:
                lock.release()
                raise
            lock.share()
            return Checkout(place / "tree", place / "index", commit, lock)

    async def _move(self, place: Path, mirror: Mirror, commit: str, uid: int | None) -> None:
        before = commit_of(place)
        (place / "commit").unlink(missing_ok=True)
        if before is not None:
            try:
                await self._check_out(place, mirror, before, commit, uid)
                return
            except GitFailed:
                # What is there is in doubt; a checkout from nothing tells whether the mirror is.
                pass
        await in_thread(trees.remove, place / "tree")
        (place / "index").unlink(missing_ok=True)
        (place / "index.lock").unlink(missing_ok=True)
        (place / "tree").mkdir()
        await self._check_out(place, mirror, None, commit, uid)

    async def _check_out(
        self, place: Path, mirror: Mirror, before: str | None, commit: str, uid: int | None
    ) -> None:
        here = {"GIT_WORK_TREE": str(place / "tree"), "GIT_INDEX_FILE": str(place / "index")}
        words = ("read-tree", "--reset", "-u", commit)
        await self.git.ok(*words, git_dir=mirror.path, environment=here, timeout_seconds=1800)
        if before is None:
            listing = ("ls-files", "-z")
        else:
            options = ("-r", "-z", "--name-only", "--no-renames", "--diff-filter=d")
            listing = ("diff-tree", *options, before, commit)
        names = await self.git.ok(*listing, git_dir=mirror.path, environment=here, timeout_seconds=300)
        changed = [os.fsdecode(name) for name in names.split(b"\0") if name]
        await in_thread(settle, place / "tree", changed, uid)
        # A submodule's empty directory makes this end with 1; what matters it has done by then.
        refresh = ("update-index", "-q", "--refresh")
        await self.git.run(*refresh, git_dir=mirror.path, environment=here, timeout_seconds=600)
        replace_file(place / "commit", commit.encode())


def commit_of(place: Path) -> str | None:
    try:
        return (place / "commit").read_text()
    except FileNotFoundError:
        return None


def settle(tree: Path, names: list[str], uid: int | None) -> None:
    """Give the files that git just wrote, and their directories, to ``uid``, and set their times."""
    newest = int(time.time()) - AGE_SECONDS
    folders = {str(tree)}
    for number, name in enumerate(names):
        path = os.path.join(tree, name)
        folder = os.path.dirname(path)
        while folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
        if uid is not None:
            os.chown(path, uid, uid, follow_symlinks=False)
        moment = newest - number % SPREAD_SECONDS
        os.utime(path, (moment, moment), follow_symlinks=False)
    if uid is not None:
        for folder in folders:
            os.chown(folder, uid, uid)
