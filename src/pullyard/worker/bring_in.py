"""The base branch as it is now, brought into a change: committed at once, or left to an agent to solve."""

from pullyard.git.bare import make_bare, object_format
from pullyard.git.commits import is_ancestor
from pullyard.git.trial_merge import MERGE_SECONDS, TriedMerge, try_merge
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.worker.change_text import harmless
from pullyard.worker.conflicts import MOST_CONFLICTS
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.harvest import make_commit
from pullyard.worker.journal import HarvestedCommit, Merging
from pullyard.worker.take_work import commit_text, source_of


async def bring_in_base(context: Context, copy: Copy) -> None:
    """``copy`` starts at its change. Nothing is done where that has it all. Repeatable.

    Raises PhaseFailed where git can't merge them, or an agent could not be asked to solve so much.
    """
    record, git, log = copy.record, context.tools.git, context.log(Phase.PREPARE)
    record.merging = record.harvested = None
    branch, base = copy.mirror.resolve(record.base_branch)
    if await is_ancestor(git, copy.mirror.path, base, copy.start_commit):
        log.line(f"The change has all of {branch} already, up to {base[:12]}.")
        return
    make_bare(copy.harvest, borrows=[copy.mirror.path / "objects"], object_format=object_format(base))
    tried = await try_merge(git, copy.harvest, copy.start_commit, base, seconds=MERGE_SECONDS)
    if problem := unsolvable(tried):
        raise PhaseFailed(
            Reason.LIMIT_REACHED, f"{branch} can't be merged into the change, {problem}: merge it yourself."
        )
    assert tried is not None
    record.base_commit = base
    record.merging = Merging(commit=base, tree=tried.tree, conflicts=tried.conflicts)
    copy.unmerged = index_lines(tried.stages, tried.names, len(base))
    where = f" but in {harmless(', '.join(tried.conflicts[:20]))}" if tried.stages else ""
    log.line(f"{branch} at {base[:12]} goes together with the change{where}.")


def unsolvable(tried: TriedMerge | None) -> str | None:
    """Why neither git nor an agent can go on from it."""
    if tried is None:
        return "they are too far apart"
    if not tried.complete or len(tried.names) > MOST_CONFLICTS:
        return "there are too many conflicts"
    if not (tried.clean or tried.stages):
        return "the conflict is in no file, such as where one directory became two"
    return None


async def commit_merge(context: Context, node: Node) -> NodeOutcome:
    """What git could not do alone is left to an agent. Repeatable."""
    for copy in context.copies:
        merging = copy.record.merging
        if merging is None or merging.conflicts:
            continue
        commit = await make_commit(
            context.tools.git, copy.harvest, source_of(copy).parents, merging.tree, commit_text(context)
        )
        copy.record.harvested = HarvestedCommit(commit=commit, tree=merging.tree)
        context.log(node.phase).line(f"Merged: {commit[:12]}.")
    return NodeOutcome.PASSED


def index_lines(stages: tuple[bytes, ...], names: list[bytes], id_letters: int) -> bytes:
    """For ``git update-index -z --index-info``: the merged entries go, and all versions come."""
    gone = (b"0 %s\t%s\0" % (b"0" * id_letters, name) for name in names)
    return b"".join([*gone, *(line + b"\0" for line in stages)])
