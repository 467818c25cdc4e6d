"""Executions whose work could not be saved when they ended: it is tried again, at once when there is room.

Such a directory has ``kept.json`` in place of its journal; ``<execution>.lock`` beside it is held by whoever
works in it or removes it.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from pullyard.files.locks import take
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.worker import SalvageReport
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.context import Context, Tools
from pullyard.worker.disk import has_room
from pullyard.worker.journal import KEPT, Journal
from pullyard.worker.rescue import rescue
from pullyard.worker.stop import Stop
from pullyard.worker.threads import in_thread

logger = structlog.get_logger(__name__)

RESCUE_SECONDS = 600.0
AGAIN_SECONDS = 1800.0
TELL_SECONDS = 30.0


async def keep_saving(tools: Tools, executions: Path, save_again: asyncio.Event) -> None:
    """For as long as the worker runs: at its start, now and then, and whenever that may help."""
    while True:
        await save_kept_work(tools, executions)
        with suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_SECONDS):
                await save_again.wait()
        save_again.clear()


async def save_kept_work(tools: Tools, executions: Path) -> None:
    """Once for each; one that fails again stays for the next time, and for a person."""
    for journal in Journal.find_all(executions, KEPT):
        execution_id = journal.record.grant.execution_id
        if not has_room(executions, tools.settings.minimum_free_bytes):
            logger.warning("no room to save the work of an execution", directory=str(journal.directory))
            continue
        lock = take(lock_path(journal.directory))
        if lock is None:
            continue
        try:
            if (journal.directory / KEPT).exists():
                await save_one(tools, journal)
        except Exception as error:
            # One that can't be saved must not cost the others, nor the worker.
            logger.exception(
                "work is still not saved; copy it from the directory, or drop it with "
                "'pullyard worker salvage drop'",
                execution_id=execution_id,
                directory=str(journal.directory),
                problem=str(error),
            )
        finally:
            lock.release()


def lock_path(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")


async def save_one(tools: Tools, journal: Journal) -> None:
    """Within what the worker's owner allows by now, and with nothing told of work that is refused."""
    context = Context(tools=tools, journal=journal, stop=Stop())
    if refusal := context.ask_policy():
        logger.warning(
            "saving work that the policy refuses, nothing of its text is told",
            execution_id=context.grant.execution_id,
            problem=str(refusal),
        )
    # Logs that may not leave were moved away when the execution ended.
    (journal.directory / "logs").mkdir(exist_ok=True)
    async with asyncio.timeout(RESCUE_SECONDS):
        reference = await rescue(context)
    context.record.unsaved = False
    if reference is not None:
        await tell_saved(tools.client, context, reference)
    await in_thread(context.close)
    lock_path(journal.directory).unlink(missing_ok=True)
    logger.info("saved the work of an earlier execution", execution_id=context.grant.execution_id)


async def tell_saved(client: CoordinatorClient, context: Context, reference: str) -> None:
    """After the execution's end; where that can't be told the work is in the mirror all the same."""
    grant = context.grant
    report = SalvageReport(fence=grant.fence, salvage_ref=reference, salvage=context.facts.get("salvage", {}))
    try:
        async with asyncio.timeout(TELL_SECONDS):
            await until_answered(lambda: client.salvaged(grant.execution_id, report))
    except (PullyardError, TimeoutError) as error:
        logger.warning("the coordinator does not know of the saved work", problem=str(error))
