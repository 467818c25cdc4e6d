"""Ends Postgres processes that an earlier run left behind in a data directory."""

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

from pullyard.store.errors import StoreRefused

PROCESSES = Path("/proc")
ROUNDS = ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))


def processes_in(cluster: Path) -> set[int]:
    """Postgres and its children work in the data directory: that tells them from any other process, where
    the number in a stale ``postmaster.pid`` may by now be somebody else's."""
    found = set[int]()
    for entry in PROCESSES.glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(cluster):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def end_strays(cluster: Path) -> None:
    """Waits for every process of this cluster to end, asking ever more firmly. The caller holds its lock."""
    if not PROCESSES.exists():
        # Postgres then looks for itself, and refuses to start where it is not sure.
        return
    cluster = cluster.resolve()
    for number, patience_seconds in ROUNDS:
        running = processes_in(cluster)
        for process in running:
            # A fast shutdown is asked of the server alone; its children end when it has ended.
            if number != signal.SIGINT or process == told_server(cluster):
                tell(process, number)
        deadline = time.monotonic() + patience_seconds
        for process in running:
            await_end(process, max(0, deadline - time.monotonic()))
        if not processes_in(cluster):
            (cluster / "postmaster.pid").unlink(missing_ok=True)
            return
    raise StoreRefused(
        f"Postgres processes of an earlier run do not end: {sorted(processes_in(cluster))}.",
        code="database-start",
    )


def told_server(cluster: Path) -> int | None:
    """The process number in ``postmaster.pid``, whoever has it now."""
    try:
        return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def tell(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def await_end(process: int, patience_seconds: float) -> None:
    """Also for processes that are not this one's children; those that nobody reaps count as ended."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(process)
        try:
            select.select([handle], [], [], patience_seconds)
        finally:
            os.close(handle)
