"""``pullyard demo`` from its first line to its last, with everything installed and cached."""

import json
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, Goal

SECONDS = Goal(15, of_value=True)
REPETITIONS = 2


def measure(place: Path) -> list[Figure]:
    """The recorded agent's pauses are part of it: they are what is seen."""
    runs = [run(place / f"demo-{number}") for number in range(REPETITIONS)]
    seconds, agent = min(runs)
    return [
        Figure("make demo, warm", seconds, "s", goal=SECONDS),
        Figure("- of it the recorded agent", agent, "s"),
    ]


def run(data: Path) -> tuple[float, float]:
    words = [sys.executable, "-m", "pullyard.cli", "demo", "--json", "--data", str(data)]
    began = time.perf_counter()
    done = subprocess.run(words, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    told = json.loads(done.stdout.splitlines()[-1])
    return seconds, told["timings"]["implement_ms"] / 1000
