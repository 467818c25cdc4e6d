"""The libraries of our own agent for tests: installed once a version, in the user's cache."""

from pathlib import Path

from pullyard.worker.programs.install import install
from pullyard.worker.programs.shelf import Shelf

HOME = Path.home() / ".cache" / "pullyard-tests" / "agents"


def shelf_with_our_agent() -> Shelf:
    shelf = Shelf(HOME)
    install(shelf, "pullyard", lambda _: None)
    return shelf
