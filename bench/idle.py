"""What an idle system costs: the memory and the processor time of all its processes, Postgres included."""

import os
import threading
import time
from pathlib import Path

from bench.figures import Figure, Goal
from bench.installation import Installation

SETTLE_SECONDS = 5.0
WATCH_SECONDS = 20.0
MEMORY = Goal(200, of_value=True)
PROCESSOR = Goal(1, of_value=True)


def measure(system: Installation) -> list[Figure]:
    never = threading.Event()
    never.wait(SETTLE_SECONDS)
    processes = family(system.process.pid)
    before, began = ticks(processes), time.monotonic()
    never.wait(WATCH_SECONDS)
    used = (ticks(processes) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
    processes = family(system.process.pid)
    return [
        Figure("idle: memory, shared pages counted once", memory(processes, "Pss:"), "MiB", goal=MEMORY),
        Figure("idle: memory, sum of resident sets", memory(processes, "Rss:"), "MiB", goal=MEMORY),
        Figure("idle: processor", used * 100, "% of a core", goal=PROCESSOR),
        *(
            Figure(f"- {name}, shared pages counted once", memory([process], "Pss:"), "MiB")
            for process, name in sorted(named(processes).items())
            if memory([process], "Pss:") > 4
        ),
    ]


def family(root: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(fields[1]), []).append(int(place.parent.name))
    found, open_ends = [], [root]
    while open_ends:
        process = open_ends.pop()
        found.append(process)
        open_ends += parents.get(process, [])
    return found


def named(processes: list[int]) -> dict[int, str]:
    names = {}
    for process in processes:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        short = [os.path.basename(word.decode("utf-8", "replace")) for word in words[:5] if word]
        names[process] = " ".join(short)[:40]
    return names


def memory(processes: list[int], field: str) -> float:
    """MiB."""
    total = 0
    for process in processes:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith(field):
                total += int(line.split()[1])
    return total / 1024


def ticks(processes: list[int]) -> int:
    """Of the processor, with those of children that have ended."""
    total = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total
