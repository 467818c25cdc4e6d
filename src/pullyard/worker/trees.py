"""Trees that something hostile may have written: given away, copied and removed, links not followed."""

import asyncio
import os
import shutil
import stat
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
    """Remove a tree whatever its permissions are. Repeatable."""
    if os.geteuid() != 0 and tree.is_dir() and not tree.is_symlink():
        # The walk goes top down, so a directory is opened to us before it is listed.
        os.chmod(tree, 0o700)
        for folder, folders, _ in os.walk(tree, topdown=True, followlinks=False):
            for name in folders:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
    if tree.exists():
        shutil.rmtree(tree)
