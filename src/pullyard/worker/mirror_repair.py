"""What a killed git, a bad disk and many fetches leave in a mirror: locks, half packs, lost objects."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import structlog

from pullyard.git.addresses import read_address
from pullyard.git.bare import make_bare, object_format
from pullyard.git.errors import RepositoryUnreachable
from pullyard.git.names import check_object_id
from pullyard.git.program import Finished, Git
from pullyard.git.remotes import Remotes
from pullyard.worker import trees
from pullyard.worker.saved_work import REPOSITORY

logger = structlog.get_logger(__name__)

LOCK_SECONDS = 10.0
"""Git holds a lock of a reference for moments; one this old is of a git that is dead."""
MOST_PACKS = 40
HALF_PACK_SECONDS = 3600.0
"""A git of a killed worker may go on for a while without it."""
READ_SECONDS = 600.0
READER = "reader.git"
"""In a damaged mirror's directory: what is fetched from."""

_PRINTS_NOTHING = ("sh", "-c", 'exec "$@" >/dev/null', "sh")


async def break_locks(repository: Path) -> bool:
    """Remove the locks of dead gits, waiting until young ones are old enough; whether there were any."""
    found = _locks(repository)
    if not found:
        return False
    newest = max(found.values())
    await asyncio.sleep(min(LOCK_SECONDS, max(0.0, newest + LOCK_SECONDS - time.time())))
    for path, changed_at in _locks(repository).items():
        if found.get(path) == changed_at:
            path.unlink(missing_ok=True)
    return True


def _locks(repository: Path) -> dict[Path, float]:
    """When each was made. No reference's own name ends like that, as git forbids it."""
    # A program looks: a reference's name may go deeper than Python's stack.
    words = ["find", repository.absolute() / "refs", "-name", "*.lock", "-print0"]
    said = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    below = [Path(os.fsdecode(name)) for name in said.split(b"\0") if name]
    found: dict[Path, float] = {}
    for path in (*repository.absolute().glob("*.lock"), *below):
        try:
            found[path] = path.lstat().st_mtime
        except FileNotFoundError:
            continue
    return found


def remove_half_packs(repository: Path) -> None:
    """Git never reads them again, and none of ours removes them."""
    latest = time.time() - HALF_PACK_SECONDS
    for path in (repository / "objects" / "pack").glob("tmp_*"):
        try:
            if path.lstat().st_mtime < latest:
                path.unlink()
        except FileNotFoundError:
            continue


async def join_packs(git: Git, repository: Path) -> None:
    """Every fetch leaves a pack, and git looks through all of them. No object goes, named or not."""
    if len(list((repository / "objects" / "pack").glob("*.pack"))) > MOST_PACKS:
        done = await git.run("repack", "--geometric=2", "-d", "-q", git_dir=repository, timeout_seconds=600)
        if done.exit_code:
            logger.warning("the packs of a mirror can't be joined", problem=done.stderr[:300])


async def is_whole(git: Git, repository: Path, commit: str) -> bool:
    """Whether every object is there that ``commit`` adds to its parent."""
    words = ("rev-list", "--objects", "--quiet", check_object_id(commit), f"^{commit}^")
    done = await git.run(*words, git_dir=repository, timeout_seconds=600)
    return not done.exit_code and not done.timed_out


async def can_be_read(git: Git, repository: Path, commit: str) -> bool:
    """Whether every file of ``commit`` is there and whole; a git that was cut off tells of no damage."""
    words = ("rev-list", "--objects", "--no-object-names", "--no-walk", check_object_id(commit))
    listed = await git.run(*words, git_dir=repository, timeout_seconds=READ_SECONDS)
    if _failed(listed):
        return False
    read = await git.within(_PRINTS_NOTHING).run(
        "cat-file", "--batch", git_dir=repository, stdin=listed.stdout, timeout_seconds=READ_SECONDS
    )
    return not _failed(read)


def _failed(done: Finished) -> bool:
    """By itself: not killed by a signal, for its time or for the length of its output."""
    return done.exit_code > 0 and not done.timed_out and not done.truncated


async def bring_over(remotes: Remotes, aside: Path, mirror: Path, commit: str, reference: str = "") -> bool:
    """Fetch ``commit`` from a damaged mirror into the repository of the sound one; whether that was possible.

    The damaged one stays as it is, because sandboxes may have it mounted: what is fetched from is beside it
    and borrows from both. Its own head, settings and references may be what was damaged.
    """
    borrows = [mirror / "objects", aside / REPOSITORY / "objects"]
    refspec = f"{check_object_id(commit)}:{reference}" if reference else check_object_id(commit)
    try:
        make_bare(aside / READER, borrows=borrows, object_format=object_format(commit))
        await remotes.fetch(read_address(str(aside / READER)), mirror, refspec)
    except (OSError, RepositoryUnreachable):
        return False
    return True


def drop_references(aside: Path) -> None:
    """Of a damaged mirror whose notes tell all: git may not be able to delete one of them."""
    trees.remove(aside / REPOSITORY / "refs")
    (aside / REPOSITORY / "packed-refs").unlink(missing_ok=True)
