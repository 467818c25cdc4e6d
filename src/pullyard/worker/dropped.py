"""Unfinished work that was dropped on this machine: the coordinator is told by the worker, now or later.

Whoever drops it may have no access to a coordinator, so a note in ``<data>/dropped/`` waits for the worker.
"""

import asyncio
from pathlib import Path

import msgspec
import structlog

from pullyard.files.writes import replace_file
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.worker import SalvageReport
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.file_events import FileEvents
from pullyard.worker.saved_work import SavedWork, salvage_ref

logger = structlog.get_logger(__name__)

DROPPED = "dropped"


class Dropped(msgspec.Struct, kw_only=True):
    execution_id: str
    fence: int


def note_dropped(data: Path, work: SavedWork) -> bool:
    """Repeatable; False where the coordinator can't be told, as a worker of an older version saved it."""
    reference = salvage_ref(work.execution_id)
    if not work.fence:
        return False
    place = data / DROPPED
    place.mkdir(exist_ok=True, mode=0o700)
    note = Dropped(execution_id=work.execution_id, fence=work.fence)
    replace_file(place / f"{reference.rpartition('/')[2]}.json", msgspec.json.encode(note))
    return True


async def keep_telling_dropped(client: CoordinatorClient, data: Path) -> None:
    """For as long as the worker runs."""
    place = data / DROPPED
    place.mkdir(exist_ok=True, mode=0o700)
    written = asyncio.Event()
    with FileEvents(place, written):
        while True:
            written.clear()
            for path in sorted(place.glob("*.json")):
                await tell_dropped(client, path)
            await written.wait()


async def tell_dropped(client: CoordinatorClient, path: Path) -> None:
    """What the coordinator does not take is not told again: it knows better, or nobody does."""
    try:
        note = msgspec.json.decode(path.read_bytes(), type=Dropped)
        reference = salvage_ref(note.execution_id)
        report = SalvageReport(fence=note.fence, salvage_ref=reference, dropped=True)
        await until_answered(lambda: client.salvaged(note.execution_id, report))
    except (PullyardError, msgspec.DecodeError, OSError) as error:
        logger.warning("the coordinator was not told of dropped work", note=path.name, problem=str(error))
    path.unlink(missing_ok=True)
