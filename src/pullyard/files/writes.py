"""The one way to replace a file: whole or not at all, also after a power cut."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def replace_file(
    path: Path, content: bytes, *, mode: int = 0o600, before_rename: Callable[[], None] | None = None
) -> None:
    """Write ``content`` where readers see the old file or the new one, and nobody else may read either.

    Both the content and its name are on the disk on return. Two writers at once do not mix; the later one
    stays. ``mode`` is the file's, whatever the umask. Raises OSError, and then leaves nothing behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if before_rename is not None:
            before_rename()
        temporary.rename(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def rename_durably(source: Path, target: Path) -> None:
    """As ``Path.rename`` within one directory, and on the disk on return."""
    source.rename(target)
    sync_directory(target.parent)


def sync_directory(directory: Path) -> None:
    """What was made, renamed or removed in the directory is on the disk on return."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
