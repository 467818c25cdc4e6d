"""What a signed receipt says, once its signature holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from pullyard.protocol.receipts import ReceiptRefused, open_envelope
from pullyard.protocol.signing import canonical
from pullyard.protocol.worker import Receipt


@dataclass(frozen=True)
class SignedReceipt:
    receipt: Receipt
    """As it was signed, so without its envelope."""
    execution_id: str
    task_id: str
    repository: str | None
    """The name of the task's repository that it is of; None is the project's own."""
    key: str
    """The trusted one that has signed it."""


def check_receipt(given: Any, keys: Sequence[str]) -> SignedReceipt:
    """Raises ReceiptRefused, whatever was given.

    ``given`` is plain data: an envelope, or a receipt with its envelope. What such a receipt says besides its
    envelope is signed by nobody, so it has to be the same.
    """
    shown = cast(dict[str, Any], given) if isinstance(given, dict) else {}
    whole = "envelope" in shown
    if whole and shown["envelope"] is None:
        raise ReceiptRefused("This receipt was never signed: its worker's version is too old for that.")
    statement, key = open_envelope(shown["envelope"] if whole else given, keys)
    try:
        receipt = msgspec.convert(statement.predicate, Receipt)
        about = msgspec.convert(statement.predicate, _About)
    except msgspec.ValidationError as error:
        raise ReceiptRefused("The receipt is signed, but this version can't read it: update it.") from error
    receipt.envelope = None
    if (receipt.commit, receipt.tree) != (statement.commit, statement.tree):
        raise ReceiptRefused("The receipt is signed, but it speaks of two commits: it proves nothing.")
    if whole:
        _compare(shown, receipt)
    return SignedReceipt(receipt, about.execution_id, about.task_id, about.repository, key)


class _About(msgspec.Struct):
    execution_id: str
    task_id: str
    repository: str | None


def _compare(shown: dict[str, Any], signed: Receipt) -> None:
    """Both as this version reads them: one side may be of another, and leave a field out or fill it in."""
    try:
        outer = msgspec.convert({**shown, "envelope": None}, Receipt)
    except msgspec.ValidationError as error:
        raise ReceiptRefused("This is no signed receipt.") from error
    for name in Receipt.__struct_fields__:
        if _spelt(getattr(outer, name)) != _spelt(getattr(signed, name)):
            raise ReceiptRefused(
                f"The receipt's {name!r} was altered: it is not what the worker has signed.",
                code="receipt-altered",
            )


def _spelt(value: Any) -> bytes:
    try:
        return canonical(msgspec.to_builtins(value))
    except (ValueError, RecursionError) as error:
        raise ReceiptRefused("This is no signed receipt.") from error
