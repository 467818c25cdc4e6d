"""How long a working copy takes, against git's quickest way to get one from the local disk."""

import shutil
import subprocess
import time
from pathlib import Path

from bench.figures import Figure, Goal, median_ms
from bench.whole_task import Times

FASTER = Goal(30, at_most=False)


def measure(times: Times, repository: Path, place: Path, files: int) -> Figure:
    """The whole phase as the executions of ``times`` reported it: refresh of the mirror and working copy."""
    clones = [clone(repository, place / "shallow") for _ in range(3)]
    return Figure(
        f"prepare, warm, {files:,} files",
        median_ms(times.prepare),
        "ms",
        "git clone --depth 1",
        median_ms(clones),
        FASTER,
        inverse=True,
    )


def clone(repository: Path, place: Path) -> float:
    began = time.perf_counter()
    words = ["git", "clone", "-q", "--depth", "1", f"file://{repository}", str(place)]
    subprocess.run(words, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(place)
    return seconds
