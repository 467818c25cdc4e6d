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
