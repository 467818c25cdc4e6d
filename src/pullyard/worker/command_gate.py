"""Before a node: are its commands allowed, or has a person to be asked?

The question is asked outside of the node's time limit and is the same one after a restart; what was approved
once in an execution is not asked again.
"""

import asyncio
import hashlib
import shlex

import msgspec

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import CHOICES, REJECT, Node, NodeKind, NodeOutcome
from pullyard.protocol.versions import WORKFLOW_VERSION
from pullyard.protocol.worker import AskRequest
from pullyard.worker.approval import show_work
from pullyard.worker.command_check import APPROVED, needs_word
from pullyard.worker.context import Context
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.policy.decide import PolicyRefused, argv_of, check_command
from pullyard.worker.verify import choose_commands
from pullyard.worker.walk import APPROVAL_SECONDS, ASKING

SHOWN_CHARACTERS = 1500
"""Of commands in one question: nobody approves what was not shown, so more of them are several questions."""


async def gate(context: Context, node: Node) -> NodeOutcome:
    """``passed``, or ``rejected`` where a person said no. Raises PhaseFailed, PolicyRefused."""
    open_ones: list[list[str]] = []
    for argv in await commands_of(context, node):
        check_command(context.permit, argv)
        if needs_word(context, argv) and argv not in open_ones:
            open_ones.append(argv)
    if not open_ones:
        return NodeOutcome.PASSED
    if context.tools.client.protocol_version < WORKFLOW_VERSION:
        raise PolicyRefused(
            f"A person has to allow '{shlex.join(open_ones[0])[:200]}', and this coordinator can't ask one: "
            "update it."
        )
    try:
        async with asyncio.timeout(APPROVAL_SECONDS):
            while open_ones:
                shown = shown_at_once(open_ones)
                if await ask(context, node, shown) is NodeOutcome.REJECTED:
                    return NodeOutcome.REJECTED
                open_ones = open_ones[len(shown) :]
    except TimeoutError:
        raise PhaseFailed(
            Reason.UNANSWERED, f"Nobody said whether the commands of the step '{node.name}' may run."
        ) from None
    return NodeOutcome.PASSED


def shown_at_once(commands: list[list[str]]) -> list[list[str]]:
    """As many of the first ones as a question shows whole. Raises PolicyRefused where one is too long."""
    count, room = 0, SHOWN_CHARACTERS
    for argv in commands:
        room -= len(shlex.join(argv)) + 1
        if room < 0:
            break
        count += 1
    if not count:
        raise PolicyRefused(
            f"A person has to allow '{shlex.join(commands[0])[:100]}...', which is too long to be shown: "
            f"put it into a script, or make it shorter than {SHOWN_CHARACTERS} characters."
        )
    return commands[:count]


async def commands_of(context: Context, node: Node) -> list[list[str]]:
    """All that the node will run for the project, as far as it can be known before it begins."""
    match node.kind:
        case NodeKind.PREPARE:
            return context.grant.setup_commands
        case NodeKind.COMMAND:
            after = node.phase not in (Phase.PREPARE, Phase.IMPLEMENT)
            return [*(context.grant.setup_commands if after else []), argv_of(node)]
        case NodeKind.VERIFY:
            chosen = [await choose_commands(context, copy) for copy in context.changed]
            return [*context.grant.setup_commands, *(argv for one in chosen for argv in one.commands)]
        case _:
            return []


async def ask(context: Context, node: Node, commands: list[list[str]]) -> NodeOutcome:
    fact = context.record.nodes[-1]
    lines = "\n".join(shlex.join(argv) for argv in commands)
    digest = hashlib.sha256(msgspec.json.encode(commands)).hexdigest()[:12]
    why = context.permit.command(commands[0]).why
    asked = AskRequest(
        fence=context.grant.fence,
        question_id=f"{node.name}-commands-{digest}",
        node=node.name,
        question=f"Shall the step '{node.name}' run this? {why}\n{lines}",
        choices=list(CHOICES),
        receipt=context.record.receipt,
    )
    fact.facts[ASKING] = True
    context.journal.save()
    log = context.log(node.phase)
    log.line(f"Step {node.name}: a person is asked about {len(commands)} of its commands.")
    if context.changed:
        await show_work(context, asked)
    answer = await context.answers.wait(asked)
    del fact.facts[ASKING]
    log.line(f"Step {node.name}: the answer is: {answer}")
    if answer == REJECT:
        return NodeOutcome.REJECTED
    fact.facts[APPROVED] = [*fact.facts.get(APPROVED, []), *commands]
    context.journal.save()
    return NodeOutcome.PASSED
