"""The title and the text of a change: what was wanted, what was proved, where it came from."""

import re
import shlex

from pullyard.forges.sites import Place
from pullyard.git.addresses import read_address
from pullyard.lifecycle.money import dollars
from pullyard.lifecycle.steering import STEERING
from pullyard.lifecycle.workflows import NodeKind
from pullyard.protocol.feedback import IssueComment, without_checks
from pullyard.protocol.receipt_text import tests_text, write_block
from pullyard.protocol.worker import CommandResult, Grant, Receipt, TaskBrief, Usage
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy

TITLE_CHARACTERS = 200
BODY_CHARACTERS = 60_000
SHOWN_COMMANDS = 50
SIGNED_CHARACTERS = 30_000
# Bitbucket closes issues by the words of commits only.
_CLOSE_ISSUES = frozenset({"github", "gitlab", "gitea"})
_ISSUE = re.compile(r"https?://(?P<host>[^/:]+)(?::\d+)?/(?P<path>.+?)(?:/-)?/issues/(?P<number>[0-9]{1,18})")
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]/_~-]{1,300}")
_FENCE = re.compile(r"^([ \t>*+.)\d-]*)(`{3,}|~{3,})", re.MULTILINE)
# Forges act on these words and names; a task's text must not. Each is broken by a character of no width.
_CLOSING = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)"
    # Markdown and entities may stand between the word and what it closes, and be gone where it is read. One
    # way alone to read each piece: with two, a hostile text takes all time.
    r"(?=(?>\]\((?!#|https?:)[^)\n]{0,200}\)|&#?[A-Za-z0-9]{1,32};|\s+|[^A-Za-z0-9]){0,40}?"
    r"(?:issues?\s++)?"
    r"(?:[\w./\\-]{0,300}+[#!]\d|GH\\?-\d|https?\\?:|\[[^\]\n]{1,200}\]))",
    re.IGNORECASE,
)
_BROKEN = (
    # Only within a word, as in an address of mail, nobody is called by it; a backtick may have no second one.
    (re.compile(r"(?<![A-Za-z0-9])@(?=[\w.\\])"), "@\u2060"),
    (_CLOSING, "\\1\u2060"),
    # Entities, by which any of these could be spelled. Without a semicolon they are none: an address's query.
    (re.compile(r"&(?=#|[A-Za-z][A-Za-z0-9]{0,40};)"), "&\u2060"),
    # HTML, with which a text could hide what follows it; an address in angle brackets is none.
    (re.compile(r"<(?!https?://|mailto:)(?=[!/?A-Za-z])"), "<\u2060"),
    (re.compile(r"-(?=----(?:BEGIN|END) PULLYARD RECEIPT)"), "-\u2060"),
    # What only machines see: orders of GitLab, and what switches the tests off.
    (re.compile(r"^([ \t]*)/(?=[a-z])", re.MULTILINE), "\\1\u2060/"),
    (re.compile(r"\[(?=(?:skip|no)[ -]|(?:ci|actions)[ -]skip)", re.IGNORECASE), "[\u2060"),
    (re.compile(r"^(skip-checks)(?=\s*:)", re.IGNORECASE | re.MULTILINE), "\\1\u2060"),
)


def harmless(text: str) -> str:
    """Others' words as a forge may show them: nothing hidden, nobody called, nothing closed."""
    for pattern, replacement in ((STEERING, ""), *_BROKEN):
        text = pattern.sub(replacement, text)
    return text


def closed(text: str) -> str:
    """Without a block of code that goes on behind its end, over what we say ourselves.

    Only blocks from a line's first letter on are surely told apart: with any other, all fences are broken.
    """
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if not mark or (mark[2][0] == "`" and "`" in line[mark.end() :]):
            continue
        if fence:
            ends = mark[2].startswith(fence) and not line[mark.end() :].strip()
            fence = "" if ends and re.fullmatch(" {0,3}", mark[1]) else fence
        elif mark[1]:
            return _FENCE.sub("\\1\u2060\\2", text)
        else:
            fence = mark[2]
    return f"{text}\n{fence}" if fence else text


def change_title(grant: Grant) -> str:
    return " ".join(harmless(grant.task.title).split())[:TITLE_CHARACTERS] or f"Task {grant.task.number}"


def wanted_text(grant: Grant) -> str:
    """As everybody may read it who sees the repository."""
    return harmless(without_checks(grant.task.description))


def change_body(context: Context, copy: Copy, template: str = "") -> str:
    """What was wanted and the repository's ``template``, each cut where it is very long, and then what we say
    ourselves, whole.
    """
    receipt = copy.record.receipt
    assert receipt is not None
    own = own_text(context, copy, receipt)
    wanted = others_texts(context, receipt, template)
    room = BODY_CHARACTERS - len(own)
    return "\n\n".join([*(closed(part[: room // len(wanted)]) for part in wanted), own])


def others_texts(context: Context, receipt: Receipt, template: str) -> list[str]:
    """Of a person, of the agent and of the repository."""
    task = context.grant.task
    criteria = "\n".join(criterion_text(one, receipt) for one in task.acceptance_criteria)
    texts = [
        wanted_text(context.grant).strip(),
        f"**Acceptance criteria**\n\n{criteria}" if criteria else "",
        harmless(str(context.facts.get("notes") or "")),
        harmless(template),
    ]
    return [text for text in texts if text]


def own_text(context: Context, copy: Copy, receipt: Receipt) -> str:
    grant = context.grant
    parts = [closing_text(context, copy), compared_text(grant), receipt_text(receipt)]
    if beside := [one.label for one in context.changed if one is not copy]:
        parts.append(f"Belongs to the change in {', '.join(beside)}, on a branch of the same name.")
    maker = f"the agent `{grant.agent.name}`" if uses_agent(context) else "Pullyard itself"
    task = task_name(context.tools.client.public_url, grant.task.id, grant.task.number)
    parts.append(
        f"Made by {maker} for {task} of {harmless(grant.project_name)} (`{grant.execution_id}`)"
        f"{cost_text(context.record.usage)}."
    )
    parts.append(signed_text(receipt, grant.execution_id))
    return "\n\n".join(part for part in parts if part)


def criterion_text(criterion: str, receipt: Receipt) -> str:
    """Ticked where it names a command that has passed; all others are for a person to look at."""
    passed = [shlex.join(one.argv) for one in receipt.commands if one.outcome == "passed"]
    proof = next((command for command in passed if names_command(criterion, command)), None)
    if proof is None:
        return f"- [ ] {harmless(criterion)}"
    return f"- [x] {harmless(criterion)} (`{_plain(proof)}` passed)"


def names_command(criterion: str, command: str) -> bool:
    """As code, or as words of its own at least two long: a single word says too little."""
    if f"`{command}`" in criterion:
        return True
    words = re.compile(rf"(?<![\w./-]){re.escape(command)}(?![\w/-])")
    return " " in command and words.search(criterion) is not None


def closing_text(context: Context, copy: Copy) -> str:
    """Its merge closes the issue that the task was made from, on a forge where these words do that."""
    sites = context.tools.access.sites
    kind = sites.kind(copy.url, copy.forge)
    if copy.name or kind not in _CLOSE_ISSUES:
        return ""
    return closes(context.grant.task, sites.place(kind, read_address(copy.url)))


def closes(task: TaskBrief, place: Place) -> str:
    """Empty unless the issue is surely of this very repository, and the task's text, which is signed where
    tasks are, names it.
    """
    issue = _ISSUE.fullmatch(task.source_url or "")
    if not issue or issue[0] not in task.description:
        return ""
    same = (issue["host"], issue["path"].casefold()) == (place.host, place.path.casefold())
    return f"Closes #{issue['number']}." if same else ""


def compared_text(grant: Grant) -> str:
    if not grant.candidates:
        return ""
    return (
        f"**One of {grant.candidates} candidates** for the same task. "
        "Leave it until one of them is chosen in Pullyard: the others are closed then."
    )


def task_link(public_url: str | None, task_id: str) -> str | None:
    """Nothing but a plain address of the web goes into others' Markdown."""
    if public_url is None or not _PLAIN_URL.fullmatch(public_url):
        return None
    return f"{public_url.rstrip('/')}/tasks/{task_id}"


def task_name(public_url: str | None, task_id: str, number: int) -> str:
    link = task_link(public_url, task_id)
    return f"[task {number}]({link})" if link else f"task {number}"


def issue_text(comment: IssueComment, public_url: str | None) -> str:
    task = task_name(public_url, comment.task_id, comment.task_number)
    return f"Pullyard works on this as {task} (`{comment.task_id}`)."


def reply_text(context: Context, commit: str) -> str:
    grant = context.grant
    task = task_name(context.tools.client.public_url, grant.task.id, grant.task.number)
    return f"Pullyard responded to this with {commit}, by {task} (`{grant.execution_id}`)."


def cost_text(usage: Usage) -> str:
    if not usage.input_tokens and not usage.output_tokens:
        return ""
    tokens = f"{usage.input_tokens:,} tokens in and {usage.output_tokens:,} out"
    return f", with {tokens}, {dollars(usage.cost_micros)}" if usage.cost_micros else f", with {tokens}"


def uses_agent(context: Context) -> bool:
    return any(fact.kind is NodeKind.AGENT for fact in context.record.nodes)


def receipt_text(receipt: Receipt) -> str:
    if not receipt.commands:
        return f"**Not verified.** {_plain(receipt.warning or '')}".strip()
    rows = "\n".join(_row(result) for result in receipt.commands[:SHOWN_COMMANDS])
    verdict = "Verified" if receipt.passed else "Not passed"
    more = len(receipt.commands) - SHOWN_COMMANDS
    parts = [
        f"**{verdict}** on a clean checkout of `{receipt.commit[:12]}`, "
        "with the commands of the base branch:",
        f"| command | outcome | exit code | tests | time |\n| --- | --- | --- | --- | --- |\n{rows}",
        f"{more} more commands are in the receipt." if more > 0 else "",
        f"**Note:** {_plain(receipt.warning)}" if receipt.warning else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _row(result: CommandResult) -> str:
    outcome = f"{result.outcome}, flaky" if result.flaky else result.outcome
    cells = (
        f"`{_plain(shlex.join(result.argv))}`",
        outcome,
        "-" if result.exit_code is None else str(result.exit_code),
        tests_text(result),
        f"{result.seconds:.1f} s",
    )
    return f"| {' | '.join(cells)} |"


def signed_text(receipt: Receipt, execution_id: str) -> str:
    """For a person to copy out; see ``protocol.receipt_text``."""
    if receipt.envelope is None:
        return ""
    block = write_block(receipt.envelope)
    if len(block) > SIGNED_CHARACTERS:
        return f"Its signed receipt is too long for this text: `pullyard receipt show {execution_id}`."
    return (
        "<details><summary>Signed receipt</summary>\n\n"
        "To check it: copy it, and give it to `pullyard receipt verify`.\n\n"
        f"```text\n{block}\n```\n\n</details>"
    )


def _plain(text: str) -> str:
    """Others' words on one line, for a cell of a table too."""
    return harmless(text).replace("|", "\\|").replace("`", "'").replace("\n", " ")[:200]
