"""One ``pullyard up`` for each data directory."""

import fcntl
import os
from pathlib import Path

from pullyard.cli.places import make_data_directory
from pullyard.protocol.errors import Conflict, RequestError

LOCK_FILE = "up.lock"


class DataLock:
    """Held until ``release`` or the process's end, whichever way it ends."""

    def __init__(self, data: Path) -> None:
        """Raises Conflict, naming the process that holds the directory."""
        try:
            self._descriptor = os.open(
                make_data_directory(data) / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise RequestError(
                f"The data directory {data} can't be used ({error.strerror}): name another one with --data."
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise Conflict(
                f"'pullyard up' already runs on {data} (process {holder or 'unknown'}): stop it, or name "
                "another directory with --data.",
                code="data-directory-taken",
                details={"pid": int(holder) if holder.isdigit() else None},
            ) from error
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)
