"""The node that asks a person and waits; what is said is kept with the node."""

import msgspec

from pullyard.lifecycle.workflows import CHOICES, REJECT, Node, NodeOutcome
from pullyard.protocol.worker import AskRequest, Diffstat
from pullyard.worker.context import Context
from pullyard.worker.take_work import describe_change

SHOWN_BYTES = 256 << 10


async def wait_for_approval(context: Context, node: Node) -> NodeOutcome:
    """Repeatable: a restarted worker asks the same question again and finds its answer."""
    fact = context.record.nodes[-1]
    question = str(node.settings.get("question") or f"Shall the step after '{node.name}' begin?")
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


async def show_work(context: Context, asked: AskRequest) -> None:
    """What the person decides over, as far as the project lets it leave."""
    described = [await describe_change(context, copy) for copy in context.changed]
    asked.diffstat = Diffstat(
        files=[
            msgspec.structs.replace(file, path=f"{copy.name}:{file.path}") if copy.name else file
            for copy, (diffstat, _, _) in zip(context.changed, described, strict=True)
            for file in diffstat.files
        ],
        additions=sum(diffstat.additions for diffstat, _, _ in described),
        deletions=sum(diffstat.deletions for diffstat, _, _ in described),
    )
    if not context.grant.text_policy.diff:
        return
    diff = "".join(diff for _, diff, _ in described)
    truncated = any(cut for _, _, cut in described)
    whole = diff.encode()
    cut = whole[:SHOWN_BYTES]
    asked.diff_truncated = truncated or len(cut) < len(whole)
    asked.diff = cut[: cut.rfind(b"\n") + 1].decode(errors="ignore") if len(cut) < len(whole) else diff
