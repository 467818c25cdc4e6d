"""The end of the phase implement: the agent's work, taken out safely and written down."""

import asyncio

from pullyard.git.provenance import provenance
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import NodeOutcome
from pullyard.protocol.worker import Diffstat
from pullyard.sandboxes.protocol import Sandbox
from pullyard.worker.change_text import change_title, harmless
from pullyard.worker.context import AGENT_DIRECTORY, Context
from pullyard.worker.diffs import read_diff, read_diffstat
from pullyard.worker.harvest import CommitText, Source, harvest
from pullyard.worker.harvest_rules import HarvestLimits
from pullyard.worker.journal import HarvestedCommit
from pullyard.worker.workspaces import BASE_INDEX

HARVEST = "harvest.git"
DIFF_BYTES = 4 << 20


async def take_work(context: Context, sandbox: Sandbox) -> NodeOutcome:
    """Harvest into the record; nothing of the agent runs in ``sandbox`` any more."""
    log = context.log(Phase.IMPLEMENT)
    grant, record = context.grant, context.record
    trailers = provenance(grant.task.id, grant.fence)
    text = CommitText(
        change_title(grant), f"{harmless(grant.task.description)}\n\n{trailers}", record.begun_at
    )
    work = await harvest(
        sandbox, context.tools.git, source_of(context), text, HarvestLimits(diff_bytes=DIFF_BYTES)
    )
    if work is None:
        return NodeOutcome.UNCHANGED
    log.line(
        f"Files changed: {len(work.diffstat.files)}; lines added: {work.diffstat.additions}, "
        f"removed: {work.diffstat.deletions}."
    )
    for path in work.protected:
        log.line(f"Look closely: {harmless(path)} steers builds, agents or git itself.")
    context.facts["protected_paths"] = list(work.protected)
    context.described = (work.diffstat, work.diff, work.diff_truncated)
    record.harvested = HarvestedCommit(commit=work.commit, tree=work.tree)
    return NodeOutcome.PASSED


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
    if context.described is not None:
        return context.described
    record = context.record
    assert record.harvested is not None
    assert record.base_commit is not None
    git, repository = context.tools.git, context.directory / HARVEST
    diffstat, (diff, cut) = await asyncio.gather(
        read_diffstat(git, repository, record.base_commit, record.harvested.commit),
        read_diff(git, repository, record.base_commit, record.harvested.commit, DIFF_BYTES),
    )
    return diffstat, diff, cut
