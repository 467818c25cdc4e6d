"""Merges that are only tried: nothing of them stays in the repository."""

import os
from pathlib import Path

from pullyard.git.names import check_object_id
from pullyard.git.program import Git

MERGE_SECONDS = 20.0
LISTING_BYTES = 1 << 20
# Finding renames takes the square of their number.
_BOUNDED = ("-c", "merge.renameLimit=1000")


async def conflicting_files(
    git: Git, repository: Path, scratch: Path, one: str, other: str, *, seconds: float = MERGE_SECONDS
) -> list[str] | None:
    """The names of the files that two commits can't be merged in, as far as they fit the listing.

    None where it can't be told: a commit that is not there, or a merge that takes too long. ``scratch`` is a
    directory of the caller's own, into which the merge's objects are written.
    """
    (scratch / "info").mkdir(parents=True, exist_ok=True)
    (scratch / "info" / "alternates").write_bytes(os.fsencode(repository.resolve() / "objects") + b"\n")
    words = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z")
    done = await git.run(
        *_BOUNDED,
        *words,
        check_object_id(one),
        check_object_id(other),
        git_dir=repository,
        environment={"GIT_OBJECT_DIRECTORY": str(scratch.resolve())},
        timeout_seconds=seconds,
        limit_bytes=LISTING_BYTES,
    )
    # The first is the tree that the merge has written; of a listing that was cut the last is half a name.
    tree, *names = done.stdout.split(b"\0")
    merged = done.exit_code in (0, 1) or done.truncated
    # Where it knows one of the two not to be a commit, it ends as with conflicts, and has written nothing.
    if done.timed_out or not merged or not tree:
        return None
    return sorted({readable(name) for name in names[:-1] if name})


def readable(name: bytes) -> str:
    return os.fsdecode(name).encode("utf-8", "backslashreplace").decode()
