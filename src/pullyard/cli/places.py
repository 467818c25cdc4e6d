"""Where things are on this machine: the data directory and the user's settings."""

import os
from pathlib import Path

SYSTEM_DATA = Path("/var/lib/pullyard")
NAME = "pullyard"
WORKER_DIRECTORY = "worker"
"""Inside a data directory."""


def default_data_directory() -> Path:
    if os.geteuid() == 0:
        return SYSTEM_DATA
    return _user_directory("XDG_DATA_HOME", ".local/share") / NAME


def config_directory() -> Path:
    return _user_directory("XDG_CONFIG_HOME", ".config") / NAME


def _user_directory(variable: str, fallback: str) -> Path:
    named = os.environ.get(variable, "")
    # The specification of these variables says that a relative path in one of them must be ignored.
    return Path(named) if named.startswith("/") else Path.home() / fallback


def make_data_directory(directory: Path) -> Path:
    """The data directory, made where it was missing.

    Others may pass through, as the account of Postgres has to under root, but not look around.
    """
    if not directory.exists():
        directory.mkdir(parents=True)
        # Whatever the umask says.
        directory.chmod(0o711)
    return directory


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable by nobody else at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
