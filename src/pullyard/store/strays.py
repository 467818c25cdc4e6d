"""Ends Postgres processes that an earlier run left behind in a data directory."""

import os
import select
import signal
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
        for process in processes_in(cluster):
            # A fast shutdown is asked of the server alone; its children end when it has ended.
            heard = number != signal.SIGINT or process == told_server(cluster)
            end(process, number if heard else None, patience_seconds)
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


def end(process: int, number: signal.Signals | None, patience_seconds: float) -> None:
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        if number is not None:
            signal.pidfd_send_signal(handle, number)
        select.select([handle], [], [], patience_seconds)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
