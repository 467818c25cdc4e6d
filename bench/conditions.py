"""Under what conditions a benchmark ran: a figure means little without them."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pullyard.store.programs import find_programs


def conditions() -> dict[str, object]:
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "postgres": postgres_version(),
        "git": first_line("git", "--version"),
        "bwrap": first_line("bwrap", "--version"),
        "load": round(os.getloadavg()[0], 2),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def postgres_version() -> str:
    return first_line(str(find_programs("postgres").path("postgres")), "--version")


def first_line(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "none"
    return done.stdout.splitlines()[0] if done.stdout else "none"
