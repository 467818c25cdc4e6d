"""The end of the phase implement: the agent's work, taken out safely and written down."""

import asyncio

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import Diffstat
from pullyard.worker.change_text import change_title, harmless
from pullyard.worker.context import AGENT_DIRECTORY, Context
from pullyard.worker.diffs import read_diff, read_diffstat
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.harvest import CommitText, Source, harvest
from pullyard.worker.journal import HarvestedCommit
from pullyard.worker.open_sandbox import opened_sandbox
from pullyard.worker.workspaces import BASE_INDEX

HARVEST = "harvest.git"
DIFF_BYTES = 4 << 20


async def take_work(context: Context) -> None:
    """Harvest into the record. Raises PhaseFailed where the agent changed nothing."""
    log = context.log(Phase.IMPLEMENT)
    grant, record = context.grant, context.record
    assert context.workspace is not None
    text = CommitText(change_title(grant), harmless(grant.task.description), record.begun_at)
    async with opened_sandbox(context, context.workspace) as sandbox:
        work = await harvest(sandbox, context.tools.git, source_of(context), text)
    if work is None:
        raise PhaseFailed(Reason.NO_CHANGE, "The agent ended without changing any file.")
    log.line(
        f"{len(work.diffstat.files)} files changed, {work.diffstat.additions} lines added, "
        f"{work.diffstat.deletions} removed."
    )
    for path in work.protected:
        log.line(f"Look closely: {harmless(path)} steers builds, agents or git itself.")
    context.facts["protected_paths"] = list(work.protected)
    record.harvested = HarvestedCommit(commit=work.commit, tree=work.tree)
    context.journal.save()


def source_of(context: Context) -> Source:
    base_commit = context.record.base_commit
    assert base_commit is not None
    return Source(
        mirror=context.mirror,
        base_commit=base_commit,
        base_index=context.directory / AGENT_DIRECTORY / BASE_INDEX,
        repository=context.directory / HARVEST,
    )


async def describe_change(context: Context) -> tuple[Diffstat, str, bool]:
    """The harvested commit against its base: the counts, the diff, and whether the diff was cut."""
    record = context.record
    assert record.harvested is not None
    assert record.base_commit is not None
    git, repository = context.tools.git, context.directory / HARVEST
    diffstat, (diff, cut) = await asyncio.gather(
        read_diffstat(git, repository, record.base_commit, record.harvested.commit),
        read_diff(git, repository, record.base_commit, record.harvested.commit, DIFF_BYTES),
    )
    return diffstat, diff, cut
