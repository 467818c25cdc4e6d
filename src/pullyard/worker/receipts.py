"""The proof that a verification leaves: what ran and how it ended, signed with the worker's own key."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from pullyard.protocol.receipts import Digest, Statement, Subject, seal
from pullyard.protocol.signing import canonical
from pullyard.protocol.worker import CommandResult, Receipt
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.sandbox_choice import levels_of


@dataclass
class Ran:
    """One copy's commands, as they ended in the last try."""

    results: list[CommandResult]
    seconds: float
    """Of all tries, with their checkouts and set-up."""
    tries: int = 1


def make_receipt(context: Context, copy: Copy, ran: Ran, *, warning: str | None) -> Receipt:
    assert copy.record.harvested is not None
    assert copy.record.base_commit is not None
    receipt = Receipt(
        commit=copy.record.harvested.commit,
        tree=copy.record.harvested.tree,
        base_commit=copy.record.base_commit,
        commands=ran.results,
        passed=bool(ran.results) and all(result.outcome == "passed" for result in ran.results),
        seconds=round(ran.seconds, 3),
        tries=ran.tries,
        sandbox=sandbox_facts(context),
        warning=warning,
        worker_id=context.tools.client.worker_id,
        verified_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )
    return sign_receipt(context, copy, receipt)


def sandbox_facts(context: Context) -> dict[str, Any]:
    probe, network = context.probe, context.grant.isolation.network
    levels = levels_of(probe)
    return {
        "name": probe.name,
        # Levels are listed from the weaker to the stronger.
        "level": levels[-1].value if levels else None,
        "own_account": context.uid is not None,
        "image": context.image.id if context.image else None,
        "network": hashlib.sha256(canonical(msgspec.to_builtins(network))).hexdigest(),
    }


def sign_receipt(context: Context, copy: Copy, receipt: Receipt) -> Receipt:
    grant, key = context.grant, context.tools.receipt_key
    said = msgspec.to_builtins(receipt)
    del said["envelope"]
    statement = Statement(
        subject=[Subject(digest=Digest(git_commit=receipt.commit, git_tree=receipt.tree))],
        predicate={
            **said,
            "execution_id": grant.execution_id,
            "task_id": grant.task.id,
            "repository": copy.name,
        },
    )
    return msgspec.structs.replace(receipt, envelope=seal(statement, key.public, key.sign))
