"""What a history puts in place of the real thing, and puts back afterwards; ``network`` has its sockets.

Ids and times come from the seed. File events come at once, because there is no kernel in a history to wait
for. A worker's disk is in memory, and never full. Logs of level error are a violation: where the
code says that it met a bug, it did.
"""

import asyncio
import logging
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import structlog

from pullyard.coordinator.executions import claim
from pullyard.forges.registry import FORGES
from pullyard.lifecycle import ids
from pullyard.worker import journal, logs, trees, walk
from pullyard.worker import loop as worker_loop
from pullyard.worker.gateway import limits
from pullyard.worker.policy import decide
from pullyard.worker.policy.places import read_place
from simulation import disk
from simulation.disk import Place
from simulation.forge import SimulatedForge
from simulation.virtual_loop import VirtualLoop

EPOCH_SECONDS = 1_700_000_000.0
# A worker that is stopped while it salvages finds its time over; the work stays where it is.
EXPECTED = frozenset({"salvage failed, the directory is kept"})
# Where a repository's links lead to is asked of the system for each grant, and is the same for all.
KNOWN_PLACE = cache(read_place)
WATCHES: dict[str, dict[asyncio.Event, None]] = {}


class SimulatedFileEvents:
    """Stands where ``FileEvents`` stands; told by whoever appends to a file of the directory."""

    def __init__(self, directory: Place, happened: asyncio.Event) -> None:
        self._directory = str(directory)
        self._happened = happened

    def __enter__(self) -> "SimulatedFileEvents":
        WATCHES.setdefault(self._directory, {})[self._happened] = None
        return self

    def __exit__(self, *raised: object) -> None:
        WATCHES[self._directory].pop(self._happened, None)


@contextmanager
def replaced(
    loop: VirtualLoop,
    seed: str,
    wrote: Callable[[Place, bytes], None],
    complain: Callable[[str], None],
) -> Iterator[None]:
    """``wrote`` is told of every byte that is appended to a stream's file."""
    dice = random.Random(f"{seed}:ids")
    append, size_bytes = logs.LogFile.append, logs.LogFile.size_bytes

    def append_and_tell(file: logs.LogFile, data: bytes) -> None:
        append(file, data)
        path: Any = file.path
        wrote(path, data)
        for event in WATCHES.get(str(path.parent), ()):
            event.set()

    def keep(_logger: Any, _level: str, event: Any) -> Any:
        if event["event"] in EXPECTED:
            raise structlog.DropEvent
        error = event.get("exc_info")
        error = error if isinstance(error, BaseException) else sys.exc_info()[1]
        told = "".join(traceback.format_exception(error)[-4:]) if error else ""
        complain(f"{event}\n{told}")
        raise structlog.DropEvent

    def token_hex(size: int) -> str:
        return dice.randbytes(size).hex()

    before = (ids.SOURCE.time_ns, ids.SOURCE.random_bits, logs.FileEvents, trees.remove)
    others = (claim.secrets, worker_loop.uuid4, walk.time, journal.time, limits.time)
    of_journal = (journal.replace_file, journal.rename_durably, journal.sync_directory)
    has_room, worker_loop.has_room = worker_loop.has_room, lambda *_: True
    decide.read_place = KNOWN_PLACE
    configured = structlog.get_config()
    ids.SOURCE.time_ns = lambda: int((EPOCH_SECONDS + loop.now) * 1e9)
    ids.SOURCE.random_bits = dice.getrandbits
    logs.FileEvents = SimulatedFileEvents
    logs.LogFile.append = append_and_tell
    logs.LogFile.size_bytes = property(lambda file: disk.size_bytes(file.path))
    trees.remove = lambda tree: tree.disk.remove(tree)
    journal.replace_file, journal.rename_durably = disk.replace_file, disk.rename_durably
    journal.sync_directory = disk.sync_directory
    claim.secrets = SimpleNamespace(token_hex=token_hex)
    worker_loop.uuid4 = lambda: token_hex(16)
    clock: Any = SimpleNamespace(monotonic=loop.time, time=lambda: EPOCH_SECONDS + loop.now)
    walk.time = journal.time = limits.time = clock
    FORGES["simulated"] = SimulatedForge
    structlog.configure(
        processors=[keep],
        # Made for every line that is said, most of which are of no level that is kept.
        logger_factory=lambda *_: None,
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        ids.SOURCE.time_ns, ids.SOURCE.random_bits, logs.FileEvents, trees.remove = before
        claim.secrets, worker_loop.uuid4, walk.time, journal.time, limits.time = others
        journal.replace_file, journal.rename_durably, journal.sync_directory = of_journal
        worker_loop.has_room = has_room
        decide.read_place = read_place
        logs.LogFile.append, logs.LogFile.size_bytes = append, size_bytes
        del FORGES["simulated"]
        WATCHES.clear()
        structlog.configure(**configured)
