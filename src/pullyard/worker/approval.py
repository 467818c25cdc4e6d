"""The node that asks a person and waits; what is said is kept with the node."""

from pullyard.lifecycle.workflows import CHOICES, REJECT, Node, NodeOutcome
from pullyard.protocol.worker import AskRequest
from pullyard.worker.context import Context


async def wait_for_approval(context: Context, node: Node) -> NodeOutcome:
    """Repeatable: a restarted worker asks the same question again and finds its answer."""
    fact = context.record.nodes[-1]
    question = str(node.settings.get("question") or f"Shall the step after '{node.name}' begin?")
    log = context.log(node.phase)
    log.line(f"Step {node.name}: a person is asked: {question}")
    answer = await context.answers.wait(
        AskRequest(
            fence=context.grant.fence,
            question_id=f"{node.name}-{fact.attempt}",
            node=node.name,
            question=question,
            choices=list(CHOICES),
            text=bool(node.settings.get("text", False)),
        )
    )
    fact.facts |= {"question": question, "answer": answer}
    log.line(f"Step {node.name}: the answer is: {answer}")
    return NodeOutcome.REJECTED if answer == REJECT else NodeOutcome.PASSED
