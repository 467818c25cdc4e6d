"""What a worker has on its machine outside of its data directory, found without the worker's own code."""

import os
import select
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GONE_SECONDS = 60.0


@dataclass
class Left:
    processes: dict[str, int]
    """Descriptors of processes by what they run."""
    groups: set[Path]
    temporary: set[Path]
    """What it, or git for it, may have been writing."""

    def still_there(self) -> list[str]:
        places = [str(place) for place in (*self.groups, *self.temporary) if place.exists()]
        return places + [words for words, one in self.processes.items() if not ended(one)]

    def close(self) -> None:
        for descriptor in self.processes.values():
            os.close(descriptor)


def ended(process: int) -> bool:
    return bool(select.select([process], [], [], 0)[0])


def left_by(data: Path) -> Left:
    """Everything with the mark of the worker that has this data directory, and what is in its groups."""
    own = Path(tempfile.mkdtemp(prefix=f"pullyard-{mark_of(data)}-"))
    (data / "tmp" / "left").touch()
    return Left(opened(processes_of(data)), groups_of(data), {own, data / "tmp" / "left"})


def mark_of(data: Path) -> str:
    return (data / "mark").read_text().split()[0]


def groups_of(data: Path) -> set[Path]:
    """The control groups of its sandboxes."""
    return {
        Path(parent) / name
        for parent, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith(f"pullyard-{mark_of(data)}-")
    }


def processes_of(data: Path) -> set[int]:
    """The numbers of those with its mark, and of those in its groups."""
    numbers: set[int] = set()
    for group in groups_of(data):
        with suppress(OSError):
            numbers |= set(map(int, (group / "cgroup.procs").read_text().split()))
    signs = (f"PULLYARD_SANDBOX={mark_of(data)}-".encode(), f"HOME={data}/executions/".encode())
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (place / "environ").read_bytes()
            if any(sign in environment for sign in signs):
                numbers.add(int(place.name))
    return numbers


def opened(numbers: set[int]) -> dict[str, int]:
    processes: dict[str, int] = {}
    for number in numbers:
        # One that has just ended is no matter.
        with suppress(OSError):
            words = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            processes[f"{number} {words[:60]}"] = os.pidfd_open(number)
    return processes
