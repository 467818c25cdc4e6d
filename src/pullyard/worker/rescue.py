"""Before any teardown: what the agent made is kept, whatever ended the execution."""

import asyncio
import time
from typing import Any

import msgspec
import structlog

from pullyard.git.errors import GitFailed
from pullyard.git.remotes import Remotes
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.signed_tasks import digest_of_wish
from pullyard.sandboxes.protocol import SandboxLost
from pullyard.worker.change_text import change_title
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.diffs import read_diff, read_diffstat
from pullyard.worker.harvest import CommitText
from pullyard.worker.open_sandbox import alone, opened_sandbox
from pullyard.worker.prepare import reopen
from pullyard.worker.publish import may_take_back, take_back
from pullyard.worker.salvage import keep, list_salvage, salvage
from pullyard.worker.saved_work import SavedWork, salvage_ref, write_note
from pullyard.worker.take_work import source_of

logger = structlog.get_logger(__name__)

TRIES = 3
PUSH_SECONDS = 20.0
"""Less than a teardown may take: what is not pushed by then is in the mirror all the same."""
TOLD_DIFF_BYTES = 128 << 10
TOLD_FILES = 500


async def rescue(context: Context) -> str | None:
    """The name of the salvage reference, or None where there is nothing to keep. Repeatable.

    ``context.facts["salvage"]`` then says what was kept, as far as the project lets it leave.
    """
    if may_take_back(context):
        await take_back(context)
    begun = [copy for copy in context.copies if (copy.agent_directory / "upper").exists()]
    if context.record.base_commit is None or len(begun) < len(context.copies):
        return None
    if any(copy.workspace is None for copy in context.copies):
        await reopen(context)
    kept = [(copy, await keep_copy(context, copy)) for copy in context.copies]
    told = [await describe(context, copy) for copy, reference in kept if reference is not None]
    if told:
        context.facts["salvage"] = {**totals(told), "repositories": told}
    # Each mirror has a reference of the same name.
    return next((reference for _, reference in kept if reference is not None), None)


def totals(told: list[dict[str, Any]]) -> dict[str, Any]:
    """For lists, where each repository by itself would be too much."""
    counts = [one["diffstat"] for one in told if "diffstat" in one]
    return {
        "files": sum(one["files_in_all"] for one in told if "files_in_all" in one),
        "additions": sum(one["additions"] for one in counts),
        "deletions": sum(one["deletions"] for one in counts),
        "pushed": all(one["pushed"] for one in told),
    }


async def keep_copy(context: Context, copy: Copy) -> str | None:
    git, execution_id = context.tools.git, context.grant.execution_id
    if copy.record.harvested is not None:
        return await keep(git, source_of(copy), execution_id, copy.record.harvested.commit)
    text = CommitText(f"Unfinished: {change_title(context.grant)}", "", context.record.begun_at)
    for left in reversed(range(TRIES)):
        try:
            async with opened_sandbox(context, *alone(copy), saving=True) as sandbox:
                return await salvage(sandbox, git, source_of(copy), execution_id, text)
        except SandboxLost:
            # An engine that is being stopped answers for a while; then its next start is waited for.
            if not left:
                raise
    return None


async def describe(context: Context, copy: Copy) -> dict[str, Any]:
    """Note in the mirror whose work it is, push it where the project says so, and say what it is.

    The work is safe already, so nothing here may fail the rescue.
    """
    grant, nodes = context.grant, context.record.nodes
    commit = (await list_salvage(context.tools.git, copy.mirror))[grant.execution_id]
    note = SavedWork(
        execution_id=grant.execution_id,
        commit=commit,
        base_commit=copy.start_commit,
        repository=copy.mirror.address.url,
        project_id=grant.project_id,
        project_name=grant.project_name,
        fence=grant.fence,
        task_id=grant.task.id,
        task_number=grant.task.number,
        title=change_title(grant),
        reason=nodes[-1].reason if nodes else None,
        saved_at=time.time(),
        pushed=grant.isolation.salvage.push and await push(context, copy, commit),
        signed=digest_of_wish(grant) if context.permit.signed else "",
    )
    told: dict[str, Any] = {"repository": copy.name, "commit": commit, "base_commit": copy.start_commit}
    told["pushed"] = note.pushed
    try:
        write_note(copy.mirror.place, note)
        told |= await summarise(context, copy, commit)
    except (GitFailed, OSError) as error:
        logger.warning("salvage is kept but not described", problem=str(error))
    return told


async def push(context: Context, copy: Copy, commit: str) -> bool:
    """To a reference that is this execution's alone: it is in nobody's way, whoever has the task by now."""
    log, reference = context.log(Phase.PUBLISH), salvage_ref(context.grant.execution_id)
    remotes = Remotes(context.tools.git)
    try:
        async with asyncio.timeout(PUSH_SECONDS):
            await remotes.push_reference(
                copy.mirror.address, copy.mirror.path, reference, commit, timeout_seconds=PUSH_SECONDS
            )
    except (PullyardError, TimeoutError, OSError) as error:
        problem = str(error) or "it took too long"
        log.line(f"{copy.label}: the unfinished work is kept on this worker, but not pushed: {problem}")
        return False
    log.line(f"{copy.label}: the unfinished work was pushed as {reference}.")
    return True


async def summarise(context: Context, copy: Copy, commit: str) -> dict[str, Any]:
    git, place, base = context.tools.git, copy.mirror.path, copy.start_commit
    diffstat = await read_diffstat(git, place, base, commit)
    told: dict[str, Any] = {"files_in_all": len(diffstat.files)}
    diffstat = msgspec.structs.replace(diffstat, files=diffstat.files[:TOLD_FILES])
    told["diffstat"] = msgspec.to_builtins(diffstat)
    if context.grant.text_policy.diff:
        diff, cut = await read_diff(git, place, base, commit, TOLD_DIFF_BYTES)
        told |= {"diff": diff, "diff_truncated": cut}
    return told
