"""Merges of two commits by ``git merge-tree``: no reference and no working copy is touched."""

import os
from dataclasses import dataclass
from pathlib import Path

from pullyard.git.errors import GitFailed
from pullyard.git.names import check_object_id
from pullyard.git.program import Git

MERGE_SECONDS = 20.0
LISTING_BYTES = 3 << 20
# Finding renames takes the square of their number.
_BOUNDED = ("-c", "merge.renameLimit=1000")


@dataclass(frozen=True)
class TriedMerge:
    """``tree`` is what git made of both, with its marks in the files that it could not put together."""

    tree: str
    clean: bool
    """A merge that is not may name no file, such as where one directory became two."""
    stages: tuple[bytes, ...] = ()
    """Of those files, the lines of ``git ls-files --stage``: all versions that there are."""
    complete: bool = True
    """Whether all of them are in ``stages``."""

    @property
    def names(self) -> list[bytes]:
        return sorted({line.partition(b"\t")[2] for line in self.stages})

    @property
    def conflicts(self) -> list[str]:
        """``names`` for people."""
        return sorted(map(readable, self.names))


async def try_merge(
    git: Git, repository: Path, one: str, other: str, *, into: Path | None = None, seconds: float
) -> TriedMerge | None:
    """None where it can't be told: of what is no commit, or where it takes too long.

    The merge's objects are written into ``into``, or else into the repository. The same commits leave the
    same marks, which name them. Raises GitFailed, also for commits that have no history in common.
    """
    done = await git.run(
        *(*_BOUNDED, "merge-tree", "--write-tree", "--no-messages", "-z"),
        check_object_id(one),
        check_object_id(other),
        git_dir=repository,
        environment={} if into is None else {"GIT_OBJECT_DIRECTORY": str(into.resolve())},
        timeout_seconds=seconds,
        limit_bytes=LISTING_BYTES,
    )
    if done.exit_code not in (0, 1) and not (done.timed_out or done.truncated):
        raise GitFailed("merge-tree", done.exit_code, done.stderr)
    # The first is the tree that the merge has written; of a listing that was cut the last is half a line.
    tree, *stages = done.stdout.split(b"\0")
    # Where it knows one of the two not to be a commit, it ends as with conflicts, and has written nothing.
    if done.timed_out or not tree:
        return None
    lines = tuple(line for line in stages[:-1] if line)
    return TriedMerge(check_object_id(tree.decode()), done.exit_code == 0, lines, not done.truncated)


async def conflicting_files(
    git: Git, repository: Path, scratch: Path, one: str, other: str, *, seconds: float = MERGE_SECONDS
) -> list[str] | None:
    """The names of the files that two commits can't be merged in, as far as they fit the listing.

    None where it can't be told, and where they conflict in no file. ``scratch`` is a directory of the
    caller's own, into which the merge's objects are written.
    """
    (scratch / "info").mkdir(parents=True, exist_ok=True)
    (scratch / "info" / "alternates").write_bytes(os.fsencode(repository.resolve() / "objects") + b"\n")
    try:
        tried = await try_merge(git, repository, one, other, into=scratch, seconds=seconds)
    except GitFailed:
        return None
    return tried.conflicts if tried and (tried.clean or tried.stages) else None


def readable(name: bytes) -> str:
    return os.fsdecode(name).encode("utf-8", "backslashreplace").decode()
