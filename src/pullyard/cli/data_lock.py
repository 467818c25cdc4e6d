"""One ``pullyard up`` for each data directory."""

from pathlib import Path

from pullyard.cli.places import make_data_directory
from pullyard.files.locks import FileLock, holder_of, take
from pullyard.protocol.errors import Conflict, RequestError

LOCK_FILE = "up.lock"


def lock_data(data: Path) -> FileLock:
    """Held until it is released or the process ends, whichever way it ends.

    Raises Conflict, naming the process that holds the directory.
    """
    try:
        path = make_data_directory(data) / LOCK_FILE
        lock = take(path)
        holder = holder_of(path) if lock is None else None
    except OSError as error:
        raise RequestError(
            f"The data directory {data} can't be used ({error.strerror}): name another one with --data."
        ) from error
    if lock is None:
        raise Conflict(
            f"'pullyard up' already runs on {data} (process {holder or 'unknown'}): stop it, or name "
            "another directory with --data.",
            code="data-directory-taken",
            details={"pid": holder},
        )
    lock.sign()
    return lock
