"""A signed receipt as lines that a person can copy out of a page or a mail, and back again."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from pullyard.protocol.receipts import DAMAGED, MAX_CHARACTERS, Envelope, ReceiptRefused
from pullyard.protocol.worker import CommandResult

BEGIN = "-----BEGIN PULLYARD RECEIPT-----"
END = "-----END PULLYARD RECEIPT-----"
LINE_CHARACTERS = 76
MAX_RECEIPTS = 100
# What mails, quotations and copied tables put before and after a line.
_AROUND = re.compile(r"[\s>|]+")


def write_block(envelope: Envelope) -> str:
    """Between ``BEGIN`` and ``END`` stands the envelope's JSON in base64."""
    text = base64.b64encode(msgspec.json.encode(envelope)).decode()
    lines = (text[start : start + LINE_CHARACTERS] for start in range(0, len(text), LINE_CHARACTERS))
    return "\n".join((BEGIN, *lines, END))


def tests_text(result: CommandResult) -> str:
    """Such as ``12 passed, 1 skipped``; a dash where the output did not tell."""
    if result.tests is None:
        return "-"
    counts = {"passed": result.tests.passed, "failed": result.tests.failed, "skipped": result.tests.skipped}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "passed")


def find_receipts(text: str) -> list[Any]:
    """Every receipt in a text, still unchecked, as plain data for ``signed_receipts.check_receipt``.

    The text is any with blocks in it, or the JSON of an envelope, a receipt, an execution, or a change, a
    forge's too, with its text as ``body``. Raises ReceiptRefused where it holds none.
    """
    if len(text) > 2 * MAX_CHARACTERS:
        raise ReceiptRefused(f"This is longer than {2 * MAX_CHARACTERS >> 20} MiB: copy only the receipt.")
    document = _document(text)
    if document is not None:
        for inner in (document, document.get("receipt")):
            if isinstance(inner, dict) and ("envelope" in inner or "payload" in inner):
                return [cast(Any, inner)]
        body = document.get("body")
        text = body if isinstance(body, str) else ""
    if BEGIN not in text:
        raise ReceiptRefused(f"There is no receipt in this: it begins with a line {BEGIN!r}.")
    found = list(_blocks(text))
    if len(found) > MAX_RECEIPTS:
        raise ReceiptRefused(f"There are more than {MAX_RECEIPTS} receipts in this: copy one of them.")
    return found


def _blocks(text: str) -> Iterator[Any]:
    for piece in text.split(BEGIN, MAX_RECEIPTS + 1)[1:]:
        body, mark, _ = piece.partition(END)
        if not mark:
            raise ReceiptRefused(f"The receipt has no end: copy it with its last line, {END!r}.")
        try:
            content = base64.b64decode(_AROUND.sub("", body), validate=True)
            yield msgspec.json.decode(content)
        except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
            raise ReceiptRefused(DAMAGED) from error


def _document(text: str) -> dict[str, Any] | None:
    """None for a text that is no object of JSON."""
    try:
        document = msgspec.json.decode(text.strip().encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return cast(dict[str, Any], document) if isinstance(document, dict) else None
