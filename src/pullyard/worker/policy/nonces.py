"""Which task each signature was first used for on this worker, so that it is good for no other one."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from pullyard.files.writes import sync_directory
from pullyard.protocol.signed_tasks import Payload, SignatureRefused

SIGNATURES = "signatures"
"""In the worker's data directory."""


class Nonces:
    """One file a signature, named after its key and nonce, with the moment of expiry and the task's id."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def use(self, payload: Payload, task_id: str) -> None:
        """Repeatable for the same task. Raises SignatureRefused for another one, OSError.

        It is on the disk on return, so that a worker that is killed does not forget it.
        """
        self._directory.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256(f"{payload.key}\0{payload.nonce}".encode()).hexdigest()
        path = self._directory / name
        if not path.exists():
            self._write(path, f"{payload.expires_at}\n{task_id}")
        used_for = path.read_text().partition("\n")[2]
        if used_for != task_id:
            raise SignatureRefused(
                "The task's signature was used for another task already: each task needs one of its own."
            )

    def _write(self, path: Path, text: str) -> None:
        """A link is made whole or not at all, and never in the place of an older one."""
        temporary = path.with_suffix(f".{os.getpid()}.new")
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
        temporary.unlink()
        sync_directory(self._directory)

    def forget_expired(self) -> None:
        """What has expired is refused for that, so nobody needs to remember it. Raises OSError."""
        if not self._directory.is_dir():
            return
        now = time.time()
        for path in self._directory.iterdir():
            expires, _, _ = path.read_text().partition("\n")
            if path.suffix or (expires.isdigit() and int(expires) <= now):
                path.unlink(missing_ok=True)
