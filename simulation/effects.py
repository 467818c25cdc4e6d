"""What an execution does at its nodes when nothing is real but the order of its steps.

They keep to what the real phases promise: whatever the next one needs is in the journal before they return,
and every one may be called again. The agent's words are bytes that the dice choose, so that a byte that is
lost or doubled can't look right by chance.
"""

import asyncio
import hashlib
import random
from typing import Any

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeKind, NodeOutcome
from pullyard.protocol.worker import CommandResult, Diffstat, Receipt
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.journal import HarvestedCommit
from pullyard.worker.publish import publish
from pullyard.worker.walk import Effects

BASE = "0" * 40


def dice_of(context: Any, phase: Phase) -> random.Random:
    """The same again after a restart, as a repeated harvest makes the same commit."""
    return random.Random(f"{context.grant.execution_id}:{phase}")


def new_commit(context: Any) -> str:
    """No agent makes the same twice: a second run of the same execution is another commit."""
    made = context.tools.git.commits
    execution_id = context.grant.execution_id
    number = sum(1 for one in made.values() if one == execution_id)
    commit = hashlib.sha1(f"{execution_id}:{number}".encode()).hexdigest()
    made[commit] = execution_id
    return commit


async def talk(context: Any, phase: Phase, dice: random.Random, seconds: float) -> None:
    """Print now and then, in pieces of any size."""
    pieces = dice.randrange(4)
    for _ in range(pieces):
        await asyncio.sleep(seconds * dice.random() / pieces)
        size = dice.choice((1, 30, 400, 50_000)) if dice.random() < 0.1 else dice.randrange(1, 90)
        context.log(phase).append(dice.randbytes(size // 2) + b"\n" * (size % 3) + b".")


async def prepare(context: Any, node: Node) -> NodeOutcome:
    del node
    dice = dice_of(context, Phase.PREPARE)
    await talk(context, Phase.PREPARE, dice, 2.0)
    context.record.base_branch, context.record.base_commit = "main", BASE
    context.journal.save()
    await asyncio.sleep(dice.random())
    return NodeOutcome.PASSED


async def implement(context: Any, node: Node) -> NodeOutcome:
    del node
    dice = dice_of(context, Phase.IMPLEMENT)
    provider = context.tools.git.provider
    if provider is not None:
        await provider.spend(context, random.Random(f"{context.grant.execution_id}:money"))
    await talk(context, Phase.IMPLEMENT, dice, dice.choice((1.0, 10.0, 40.0)))
    if dice.random() < 0.1:
        raise PhaseFailed(Reason.AGENT_FAILED, "The agent gave up.")
    context.main.described = (Diffstat(files=[], additions=0, deletions=0), "", False)
    context.record.harvested = HarvestedCommit(commit=new_commit(context), tree=BASE)
    context.journal.save()
    return NodeOutcome.PASSED


async def verify(context: Any, node: Node) -> NodeOutcome:
    del node
    dice = dice_of(context, Phase.VERIFY)
    await talk(context, Phase.VERIFY, dice, 3.0)
    result = CommandResult(argv=["true"], exit_code=0, seconds=1.0, outcome="passed")
    harvested = context.record.harvested
    context.record.receipt = Receipt(
        commit=harvested.commit,
        tree=harvested.tree,
        base_commit=BASE,
        commands=[result],
        passed=True,
        seconds=1.0,
    )
    context.journal.save()
    return NodeOutcome.PASSED


async def reopen(context: Any) -> None:
    await asyncio.sleep(0.1)
    context.main.described = (Diffstat(files=[], additions=0, deletions=0), "", False)


async def rescue(context: Any) -> str | None:
    """Half of what is stopped leaves something to go on from."""
    await asyncio.sleep(0.2)
    record = context.record
    return f"refs/salvage/{record.grant.execution_id}" if record.base_commit else None


EFFECTS = Effects(
    handlers={
        NodeKind.PREPARE: prepare,
        NodeKind.AGENT: implement,
        NodeKind.VERIFY: verify,
        # The one with effects outside is the real one, over a forge that is not.
        NodeKind.PUBLISH: publish,
    },
    reopen=reopen,
    rescue=rescue,
)
