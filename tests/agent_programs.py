"""The agents' real programs for tests, installed once a machine as a worker's owner would do it."""

import os
from pathlib import Path

import pytest

from pullyard.agents.programs import programs
from pullyard.protocol.errors import RemoteFailure
from pullyard.worker.programs.install import install
from pullyard.worker.programs.shelf import Shelf


def shelf_with(*names: str) -> Shelf:
    """Skips the test only where the registry can't be reached."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pullyard-tests/agents"
    shelf = Shelf(cache)
    for name in names:
        if programs()[name].version in shelf.versions(name):
            continue
        try:
            install(shelf, name, lambda _: None)
        except RemoteFailure as failure:
            pytest.skip(f"{name} could not be installed: {failure.message}")
    return shelf
