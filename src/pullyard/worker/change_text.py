"""The title and the text of a change: what was wanted, what was proved, where it came from."""

import re
import shlex

from pullyard.lifecycle.workflows import NodeKind
from pullyard.protocol.worker import Grant, Receipt
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy

TITLE_CHARACTERS = 200
BODY_CHARACTERS = 60_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
# Forges act on these words and names; a task's text must not. Each is broken by a character of no width.
_CLOSING = re.compile(
    r"\b(clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)(\s*:?\s+)"
    r"(?=(?:[\w./-]+)?[#!]\d|GH-\d|https?://)",
    re.IGNORECASE,
)
_BROKEN = (
    (re.compile(r"(?<![\w`])@(?=[A-Za-z0-9])"), "@\u2060"),
    (_CLOSING, "\\1\u2060\\2"),
    # What only machines see: comments of HTML, orders of GitLab, and what switches the tests off.
    (re.compile(r"<(?=!--)"), "<\u2060"),
    (re.compile(r"^([ \t]*)/(?=[a-z])", re.MULTILINE), "\\1\u2060/"),
    (re.compile(r"\[(?=(?:skip|no)[ -]|(?:ci|actions)[ -]skip)", re.IGNORECASE), "[\u2060"),
    (re.compile(r"^(skip-checks)(?=\s*:)", re.IGNORECASE | re.MULTILINE), "\\1\u2060"),
)


def harmless(text: str) -> str:
    """Others' words as a forge may show them: nothing hidden, nobody called, nothing closed."""
    for pattern, replacement in ((_CONTROL, ""), *_BROKEN):
        text = pattern.sub(replacement, text)
    return text


def change_title(grant: Grant) -> str:
    return " ".join(harmless(grant.task.title).split())[:TITLE_CHARACTERS] or f"Task {grant.task.number}"


def change_body(context: Context, copy: Copy) -> str:
    grant, receipt = context.grant, copy.record.receipt
    assert receipt is not None
    parts = [harmless(grant.task.description).strip()]
    if grant.task.acceptance_criteria:
        wanted = "\n".join(f"- {harmless(criterion)}" for criterion in grant.task.acceptance_criteria)
        parts.append(f"**Acceptance criteria**\n\n{wanted}")
    if notes := context.facts.get("notes"):
        parts.append(harmless(str(notes)))
    parts.append(receipt_text(receipt))
    if beside := [one.label for one in context.changed if one is not copy]:
        parts.append(f"Belongs to the change in {', '.join(beside)}, on a branch of the same name.")
    maker = f"the agent `{grant.agent.name}`" if uses_agent(context) else "Pullyard itself"
    parts.append(
        f"Made by {maker} for task {grant.task.number} of "
        f"{harmless(grant.project_name)} (`{grant.execution_id}`)."
    )
    return "\n\n".join(part for part in parts if part)[:BODY_CHARACTERS]


def uses_agent(context: Context) -> bool:
    return any(node.kind is NodeKind.AGENT for node in context.workflow.nodes)


def receipt_text(receipt: Receipt) -> str:
    if not receipt.commands:
        return f"**Not verified.** {receipt.warning or ''}".strip()
    rows = "\n".join(
        f"| `{_cell(shlex.join(result.argv))}` | {result.outcome} | {exit_text(result.exit_code)} "
        f"| {result.seconds:.1f} s |"
        for result in receipt.commands
    )
    verdict = "Verified" if receipt.passed else "Not passed"
    return (
        f"**{verdict}** on a clean checkout of `{receipt.commit[:12]}`, "
        "with the commands of the base branch:\n\n"
        f"| command | outcome | exit code | time |\n| --- | --- | --- | --- |\n{rows}"
    )


def exit_text(exit_code: int | None) -> str:
    return "-" if exit_code is None else str(exit_code)


def _cell(text: str) -> str:
    return harmless(text).replace("|", "\\|").replace("`", "'").replace("\n", " ")[:200]
