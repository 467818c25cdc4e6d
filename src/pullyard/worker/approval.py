"""The node that asks a person and waits; what is said is kept with the node."""

import re

import msgspec

from pullyard.git.tree_walk import TreeReader
from pullyard.lifecycle.workflows import CHOICES, PROTECTED, REJECT, Node, NodeOutcome, walked_only
from pullyard.protocol.versions import WORKFLOW_VERSION
from pullyard.protocol.worker import AskRequest, Diffstat, FileChange
from pullyard.worker.change_text import harmless
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.diffs import read_diff
from pullyard.worker.guarded_paths import GuardedPaths
from pullyard.worker.harvest import SHOWN_PATHS
from pullyard.worker.harvest_rules import LINK, HarvestLimits, HarvestRefused, check_changes
from pullyard.worker.take_work import describe_change

SHOWN_BYTES = 256 << 10
NAMED_CHARACTERS = 1500


async def wait_for_approval(context: Context, node: Node) -> NodeOutcome:
    """Repeatable: a restarted worker asks the same question again and finds its answer."""
    fact = context.record.nodes[-1]
    question = question_of(context, node)
    if walked_only(node) == PROTECTED and context.tools.client.protocol_version < WORKFLOW_VERSION:
        raise HarvestRefused(
            f"{context.protected[0]} is protected and this coordinator can't ask a person: update it, or "
            "make the change yourself."
        )
    log = context.log(node.phase)
    log.line(f"Step {node.name}: a person is asked: {question}")
    asked = AskRequest(
        fence=context.grant.fence,
        question_id=f"{node.name}-{fact.attempt}",
        node=node.name,
        question=question,
        choices=list(CHOICES),
        text=bool(node.settings.get("text", False)),
        receipt=context.record.receipt,
    )
    if context.changed:
        await show_work(context, asked)
    answer = await context.answers.wait(asked)
    fact.facts |= {"question": question, "answer": answer}
    log.line(f"Step {node.name}: the answer is: {answer}")
    return NodeOutcome.REJECTED if answer == REJECT else NodeOutcome.PASSED


def question_of(context: Context, node: Node) -> str:
    question = str(node.settings.get("question") or f"Shall the step after '{node.name}' begin?")
    if walked_only(node) != PROTECTED:
        return question
    named, left = [], NAMED_CHARACTERS
    for path in context.protected:
        left -= len(path)
        if left < 0:
            break
        named.append(harmless(path))
    more = len(context.protected) - len(named)
    return f"{question} {', '.join(named)}{f' and {more} more' if more else ''}"


async def show_work(context: Context, asked: AskRequest) -> None:
    """What the person decides over, as far as the project lets it leave."""
    described = [await describe_change(context, copy) for copy in context.changed]
    asked.diffstat = Diffstat(
        files=[
            file
            for copy, (diffstat, _, _) in zip(context.changed, described, strict=True)
            for file in named_files(copy, diffstat)
        ],
        additions=sum(diffstat.additions for diffstat, _, _ in described),
        deletions=sum(diffstat.deletions for diffstat, _, _ in described),
    )
    if not context.grant.text_policy.diff:
        return
    diff = "".join(
        [
            await protected_first(context, copy, diff)
            for copy, (_, diff, _) in zip(context.changed, described, strict=True)
        ]
    )
    truncated = any(cut for _, _, cut in described)
    whole = diff.encode()
    cut = whole[:SHOWN_BYTES]
    asked.diff_truncated = truncated or len(cut) < len(whole)
    asked.diff = cut[: cut.rfind(b"\n") + 1].decode(errors="ignore") if len(cut) < len(whole) else diff


def named_files(copy: Copy, diffstat: Diffstat) -> list[FileChange]:
    """With the repository's name before them where there are several."""
    if not copy.name:
        return diffstat.files
    return [msgspec.structs.replace(file, path=f"{copy.name}:{file.path}") for file in diffstat.files]


async def protected_first(context: Context, copy: Copy, diff: str) -> str:
    """The same files in another order, so that no amount of others hides what is to be decided over."""
    assert copy.record.harvested is not None
    if not copy.record.harvested.protected:
        return diff
    git, commit = context.tools.git, copy.record.harvested.commit
    async with TreeReader(git, copy.harvest) as reader:
        trees = await reader.tree_of(copy.start_commit), await reader.tree_of(commit)
        changes = await check_changes(reader, *trees, HarvestLimits())
    guarded = GuardedPaths(context.grant.isolation.protected_paths)
    paths = [
        one.path for one in changes if guarded.covers(one.path) or (one.entry and one.entry.mode == LINK)
    ]
    if not paths:
        return diff
    first, _ = await read_diff(git, copy.harvest, copy.start_commit, commit, SHOWN_BYTES, paths[:SHOWN_PATHS])
    files = _files(first)
    return "".join([*files, *(file for file in _files(diff) if file not in files)])


def _files(diff: str) -> list[str]:
    """A line of a file's content has a sign or a space before it, so none can look like a file's begin."""
    return re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
