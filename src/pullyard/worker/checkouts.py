"""Prepared checkouts: the read-only lower layers of overlays, one directory per commit, used again and again.

Layout of ``<root>/<mirror>-<uid>/<number>/``: ``tree/``, ``index``, ``commit`` (there only while the tree is
whole), ``about.json`` (for people, and its size) and ``use``, the lock that users share and that whoever
changes the tree holds alone; its time is that of the last use. ``<number>.gone`` is on its way out.
"""

import os
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec

from pullyard.files.locks import FileLock, locked, take
from pullyard.files.writes import replace_file
from pullyard.git.errors import GitFailed
from pullyard.git.program import Git
from pullyard.worker import trees
from pullyard.worker.disk import changed_at, size_bytes
from pullyard.worker.mirrors import Mirror
from pullyard.worker.threads import in_thread

AGE_SECONDS = 10
"""How old the files of a checkout claim to be at least: so no later edit has the same time by chance."""
SPREAD_SECONDS = 7919
"""Times of neighbours differ, so that one file moved over another of the same size is seen as a change."""


ABOUT = "about.json"
GONE = ".gone"


class AboutCheckout(msgspec.Struct, kw_only=True):
    repository: str
    """The address, without a login."""
    commit: str
    size_bytes: int | None = None
    """None until somebody measured it."""


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
            places = sorted(path for path in family.iterdir() if path.name.isdigit())
            for place in places:
                if commit_of(place) == commit and (lock := take(place / "use", shared=True)):
                    os.utime(place / "use")
                    return Checkout(place / "tree", place / "index", commit, lock)
            for place in places:
                if lock := take(place / "use"):
                    break
            else:
                place = next(free for number in count() if not (free := family / str(number)).exists())
                place.mkdir()
                lock = take(place / "use")
            assert lock is not None
            try:
                await self._move(place, mirror, commit, uid)
            except BaseException:
                lock.release()
                raise
            os.utime(place / "use")
            lock.share()
            return Checkout(place / "tree", place / "index", commit, lock)

    def collect(self, quota_bytes: int) -> None:
        """Remove the checkouts used least recently until all fit the quota; none that is in use."""
        sizes = {place: measure(place) for place in find_checkouts(self.root)}
        total = sum(sizes.values())
        for place in sorted(sizes, key=used_at):
            if total <= quota_bytes:
                return
            if give_up(place) is None:
                total -= sizes[place]

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
        about = AboutCheckout(repository=mirror.address.url, commit=commit)
        write_about(place, about)
        replace_file(place / "commit", commit.encode())


def find_checkouts(root: Path) -> list[Path]:
    return [place for place in root.glob("*/*") if place.name.isdigit()]


def give_up(place: Path) -> str | None:
    """Remove a checkout; or why it stays: it is used or changed now. Raises OSError, also if it is gone."""
    locks = [take(path) for path in (place.parent / "lock", place / "use") if path.exists()]
    gone = place.with_name(place.name + GONE)
    try:
        if None in locks:
            return "in use"
        trees.remove(gone)
        place.rename(gone)
    finally:
        for lock in locks:
            if lock is not None:
                lock.release()
    trees.remove(gone)
    return None


def used_at(place: Path) -> float:
    """In seconds since 1970; 0 for one that was left half made."""
    return changed_at(place / "use")


def measure(place: Path) -> int:
    """The disk space that it takes, as it was found when the tree was last changed."""
    about = read_about(place)
    if about is not None and about.size_bytes is not None and about.commit == commit_of(place):
        return about.size_bytes
    found = size_bytes(place)
    # Nobody changes the tree while it is measured, or else the size is not worth writing down.
    if about is not None and (lock := take(place / "use", shared=True)) is not None:
        try:
            if about.commit == commit_of(place):
                write_about(place, msgspec.structs.replace(about, size_bytes=found))
        finally:
            lock.release()
    return found


def read_about(place: Path) -> AboutCheckout | None:
    try:
        return msgspec.json.decode((place / ABOUT).read_bytes(), type=AboutCheckout)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_about(place: Path, about: AboutCheckout) -> None:
    replace_file(place / ABOUT, msgspec.json.format(msgspec.json.encode(about), indent=2))


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
