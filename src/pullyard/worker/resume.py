"""What a further try begins with: the unfinished work of an earlier one, on the base as it is now."""

from contextlib import suppress

import structlog

from pullyard.git.commits import is_ancestor
from pullyard.git.errors import GitFailed, RepositoryUnreachable
from pullyard.git.names import check_object_id
from pullyard.git.remotes import Remotes
from pullyard.git.trial_merge import MERGE_SECONDS, try_merge
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.signed_tasks import digest_of_wish
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.mirror_repair import is_whole
from pullyard.worker.policy.decide import PolicyRefused
from pullyard.worker.salvage import list_salvage
from pullyard.worker.saved_work import SavedWork, salvage_ref, saved_in

logger = structlog.get_logger(__name__)
ANEW = "Retry the task without '--resume'."


async def find_resumed(context: Context, copy: Copy) -> str | None:
    """The commit or tree that is laid over ``copy.start_commit``; None for the base branch alone.

    Where the base has moved on and both changed the same lines, the base of this execution is the older one.
    """
    if context.grant.resume_from is None:
        return None
    log, git, mirror = context.log(Phase.PREPARE), context.tools.git, copy.mirror
    kept = await find_kept(context, copy)
    if kept is None:
        log.line("The work to go on from is not on this worker: starting from the base branch.")
        return None
    if not await is_whole(git, mirror.path, kept):
        log.line("The work to go on from is damaged on this worker: starting from the base branch.")
        return None
    begun_at = await context.tools.mirrors.find(mirror, f"{kept}^")
    if begun_at is None or begun_at == copy.start_commit:
        return kept
    try:
        return await _put_together(context, copy, begun_at, kept)
    except GitFailed as failed:
        logger.warning("resume.failed", execution_id=context.grant.execution_id, problem=str(failed))
        log.line("The work to go on from can't be put together with what is there now: starting without it.")
        return None


async def _put_together(context: Context, copy: Copy, begun_at: str, kept: str) -> str | None:
    """With what came to the base since, which ``kept`` as it is would take back. Raises GitFailed."""
    log, git, mirror = context.log(Phase.PREPARE), context.tools.git, copy.mirror
    tried = await try_merge(git, mirror.path, copy.start_commit, kept, seconds=MERGE_SECONDS)
    if tried is not None and tried.clean:
        log.line("The base has moved on since the work to go on from was begun: both are put together.")
        return tried.tree
    on_base = copy.record.start_commit is None
    if not (on_base and await is_ancestor(git, mirror.path, begun_at, copy.start_commit)):
        log.line("The work to go on from does not fit what is there now: starting without it.")
        return None
    log.line(f"The base has changed the same lines since: going on from where it was then, {begun_at[:12]}.")
    copy.record.base_commit = begun_at
    context.journal.save()
    return kept


async def find_kept(context: Context, copy: Copy) -> str | None:
    """The earlier execution's commit, where it is on this worker or in the repository.

    Raises PolicyRefused for another project's work, and for all that is not proved to be of the same task
    where that is signed: which work to go on from is the coordinator's word, and in no signature.
    """
    grant = context.grant
    assert grant.resume_from is not None
    kept = (await list_salvage(context.tools.git, copy.mirror)).get(grant.resume_from)
    if kept is not None:
        check_whose(context, saved_in(copy.mirror.place).get(grant.resume_from), kept)
        return kept
    if context.permit.signed:
        if grant.resume_commit is not None and copy is context.main:
            raise PolicyRefused(f"What another execution has published is not this signed task's. {ANEW}")
        return None
    if grant.isolation.salvage.push:
        # It was made on another worker, perhaps, and pushed from there.
        reference = salvage_ref(grant.resume_from)
        with suppress(RepositoryUnreachable):
            await Remotes(context.tools.git).fetch(
                copy.mirror.address, copy.mirror.path, f"{reference}:{reference}"
            )
            kept = await context.tools.mirrors.find(copy.mirror, reference)
    if kept is None and grant.resume_commit is not None and copy is context.main:
        # It was pushed, so it came with the mirror, on whatever worker it was made.
        kept = await context.tools.mirrors.find(copy.mirror, check_object_id(grant.resume_commit))
    return kept


def check_whose(context: Context, note: SavedWork | None, kept: str) -> None:
    """``note`` is what this worker wrote down when it saved ``kept``. Raises PolicyRefused."""
    grant = context.grant
    if note is None or note.commit != kept:
        note = SavedWork(execution_id=grant.resume_from or "", commit=kept)
    if context.permit.signed and (note.task_id, note.signed) != (grant.task.id, digest_of_wish(grant)):
        raise PolicyRefused(f"The saved work to go on from is not known to be this signed task's. {ANEW}")
    if note.project_id not in ("", grant.project_id):
        raise PolicyRefused(f"The saved work to go on from is another project's. {ANEW}")
