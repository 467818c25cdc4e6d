"""Trees that something hostile may have written: given away, copied and removed, links not followed."""

import asyncio
import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pullyard.git.errors import GitFailed


def give(tree: Path, uid: int | None) -> None:
    """Make ``uid`` the owner of everything below and of ``tree`` itself; None leaves all as it is.

    Links are not followed, and what is swapped meanwhile leads nowhere else. Raises OSError.
    """
    if uid is not None:
        # Neither option alone keeps it from following links, whatever its own default is.
        _run(["chown", "-R", "-P", "-h", f"{uid}:{uid}", "--", tree], tree, "it can't be given away")


async def copy(source: Path, target: Path) -> None:
    """Copy what is inside ``source`` into ``target``, with owners, times and links as they are."""
    words = ("cp", "-a", "--reflink=auto", "--", f"{source}/.", str(target))
    process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise GitFailed("copy", process.returncode, said.decode("utf-8", "replace"))


def remove(tree: Path) -> None:
    """Remove a tree whatever its permissions and its depth are. Repeatable. Raises OSError.

    Programs do it, because they keep few descriptors open and do not recurse: a tree may be deeper than
    Python's stack and a path may be longer than the system takes.
    """
    if not os.path.lexists(tree):
        return
    _open_up(tree)
    _run(["rm", "-rf", "--", tree], tree, "it can't be removed")


def empty(tree: Path) -> None:
    """Like ``remove``, but the directory itself stays, for those who have it mounted."""
    _open_up(tree)
    _run(["find", tree.absolute(), "-mindepth", "1", "-delete"], tree, "it can't be emptied")


def _open_up(tree: Path) -> None:
    if os.geteuid() != 0 and tree.is_dir() and not tree.is_symlink():
        # Links inside are neither followed nor changed by these options.
        subprocess.run(["chmod", "-R", "u+rwx", "--", tree], capture_output=True, check=False)


def _run(words: Sequence[str | Path], tree: Path, problem: str) -> None:
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OSError(errno.EIO, said[0][-300:] if said else problem, str(tree))
