"""Trees that something hostile may have written: given away, copied and removed, links not followed."""

import asyncio
import errno
import os
import stat
import subprocess
from pathlib import Path

from pullyard.git.errors import GitFailed


def give(tree: Path, uid: int | None) -> None:
    """Make ``uid`` the owner of everything below and of ``tree`` itself; None leaves all as it is."""
    if uid is None:
        return
    for _, folders, names, descriptor in os.fwalk(tree, follow_symlinks=False):
        os.chown(descriptor, uid, uid)
        for name in (*folders, *names):
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            # A character device is how an overlay notes a deletion; it belongs to the kernel.
            if not stat.S_ISCHR(facts.st_mode):
                os.chown(name, uid, uid, dir_fd=descriptor, follow_symlinks=False)


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
    if os.geteuid() != 0 and tree.is_dir() and not tree.is_symlink():
        # Links inside are neither followed nor changed by these options.
        subprocess.run(["chmod", "-R", "u+rwx", "--", tree], capture_output=True, check=False)
    done = subprocess.run(["rm", "-rf", "--", tree], capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OSError(errno.EIO, said[0][-300:] if said else "it can't be removed", str(tree))
