"""The end of the phase implement: the agent's work, taken out safely and written down."""

import asyncio

import msgspec

from pullyard.agents.registry import name_with_programs
from pullyard.git.provenance import provenance
from pullyard.lifecycle.authors import trailers_of
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import Node, NodeKind, NodeOutcome
from pullyard.protocol.worker import AgentSpec, Diffstat
from pullyard.sandboxes.protocol import Sandbox
from pullyard.worker.change_text import change_title, harmless, wanted_text
from pullyard.worker.conflicts import check_solved
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.diffs import read_diff, read_diffstat
from pullyard.worker.harvest import CommitText, Source, harvest
from pullyard.worker.harvest_rules import HarvestLimits
from pullyard.worker.journal import HarvestedCommit
from pullyard.worker.open_sandbox import alone, opened_sandbox
from pullyard.worker.workspaces import BASE_INDEX

DIFF_BYTES = 4 << 20


async def take_work(context: Context, sandbox: Sandbox) -> NodeOutcome:
    """Harvest every working copy into the record; nothing of the agent runs in ``sandbox`` any more.

    ``sandbox`` shows the project's own copy; each further one is read in a sandbox of its own.
    """
    await take_copy(context, context.main, sandbox)
    for copy in context.copies[1:]:
        async with opened_sandbox(context, *alone(copy)) as single:
            await take_copy(context, copy, single)
    context.facts["protected_paths"] = context.protected
    return NodeOutcome.PASSED if context.changed else NodeOutcome.UNCHANGED


async def take_copy(context: Context, copy: Copy, sandbox: Sandbox) -> None:
    log, grant = context.log(Phase.IMPLEMENT), context.grant
    work = await harvest(
        sandbox,
        context.tools.git,
        source_of(copy),
        commit_text(context),
        HarvestLimits(diff_bytes=DIFF_BYTES),
        guarded=grant.isolation.protected_paths,
    )
    copy.record.harvested = None
    if work is None:
        return
    await check_solved(context, copy, work.commit)
    where = f" in {copy.name}" if copy.name else ""
    log.line(
        f"Files changed{where}: {len(work.diffstat.files)}; lines added: {work.diffstat.additions}, "
        f"removed: {work.diffstat.deletions}."
    )
    guarded = bool(grant.isolation.protected_paths)
    for path in work.protected:
        waits = "waits for a person before it is published" if guarded else "should be looked at"
        log.line(f"Look closely: {harmless(path)}{where} {waits}.")
    for sentence in work.notable:
        log.line(f"Look closely: {harmless(sentence)}{where}.")
    if copy.record.start_commit is None:
        copy.described = (work.diffstat, work.diff, work.diff_truncated)
    copy.record.harvested = HarvestedCommit(
        commit=work.commit, tree=work.tree, protected=list(work.protected) if guarded else []
    )


def commit_text(context: Context) -> CommitText:
    grant = context.grant
    trailers = f"{provenance(grant.task.id, grant.fence)}\n{authors_of(context)}"
    return CommitText(change_title(grant), f"{wanted_text(grant)}\n\n{trailers}", context.record.begun_at)


def authors_of(context: Context) -> str:
    """The agents that worked, and the project's co-authors, as trailers."""
    walked = [fact for fact in context.record.nodes if fact.kind is NodeKind.AGENT]
    specs = [agent_of(context, context.workflow.node(fact.name)) for fact in walked]
    names = dict.fromkeys(name_with_programs(spec.name, spec.settings) for spec in specs)
    return trailers_of(names, context.grant.change_rules.co_authors)


def agent_of(context: Context, node: Node) -> AgentSpec:
    """A project's own node may name another agent than the task's."""
    own = node.settings.get("agent")
    return msgspec.convert(own, AgentSpec) if own else context.grant.agent


def source_of(copy: Copy) -> Source:
    return Source(
        mirror=copy.mirror,
        base_commit=copy.start_commit,
        base_index=copy.agent_directory / BASE_INDEX,
        repository=copy.harvest,
        merging=copy.record.merging,
    )


async def describe_change(context: Context, copy: Copy) -> tuple[Diffstat, str, bool]:
    """The harvested commit against its base: the counts, the diff, and whether the diff was cut."""
    if copy.described is not None:
        return copy.described
    record, git = copy.record, context.tools.git
    assert record.harvested is not None
    assert record.base_commit is not None
    diffstat, (diff, cut) = await asyncio.gather(
        read_diffstat(git, copy.harvest, record.base_commit, record.harvested.commit),
        read_diff(git, copy.harvest, record.base_commit, record.harvested.commit, DIFF_BYTES),
    )
    copy.described = (diffstat, diff, cut)
    return copy.described
