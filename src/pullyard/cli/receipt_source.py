"""Where a receipt comes from that is to be checked, and which keys are trusted for it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullyard.cli.execution import find_execution
from pullyard.cli.inputs import STDIN
from pullyard.cli.profile import connect
from pullyard.cli.references import Missing, find_change
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.ids import Kind, is_id
from pullyard.protocol.errors import RequestError
from pullyard.protocol.receipt_text import find_receipts
from pullyard.protocol.receipts import MAX_CHARACTERS, named_keys
from pullyard.protocol.resources import ReceiptKey
from pullyard.protocol.signing import KEY_PREFIX, read_public

KEYS_BYTES = 1 << 20


@dataclass(frozen=True)
class Given:
    """``receipts`` are plain data that nobody has checked. What is not None here is what they must be of."""

    receipts: list[Any]
    execution_id: str | None = None
    commit: str | None = None


def read_source(terminal: Terminal, source: str) -> Given:
    """Raises RequestError where there is nothing of this name, ReceiptRefused where no receipt is in it."""
    if source == STDIN:
        return Given(find_receipts(_decoded(sys.stdin.buffer.read(2 * MAX_CHARACTERS + 1))))
    if is_id(source, Kind.CHANGE):
        with connect(terminal) as client:
            change = find_change(client, source)
        return Given([_there(change.receipt, source)], commit=change.commit)
    if is_id(source, Kind.EXECUTION) or is_id(source, Kind.TASK):
        return of_execution(terminal, source)
    path = Path(source)
    if path.is_file():
        try:
            with path.open("rb") as file:
                return Given(find_receipts(_decoded(file.read(2 * MAX_CHARACTERS + 1))))
        except OSError as error:
            raise RequestError(f"The file {path} can't be read: {error.strerror}.") from error
    if "#" in source:
        return of_execution(terminal, source)
    raise Missing(f"{source!r} is no file that is here, and no execution, change or task.")


def of_execution(terminal: Terminal, reference: str) -> Given:
    """Of a task it is the newest one."""
    with connect(terminal) as client:
        execution = client.execution(find_execution(client, reference))
    return Given([_there(execution.receipt, reference)], execution_id=execution.id)


def read_keys(given: Sequence[str]) -> list[str]:
    """Each a key, or a file with one a line; empty lines and those with ``#`` in front are for people."""
    keys: list[str] = []
    for one in given:
        if one.startswith(KEY_PREFIX):
            keys.append(_checked(one, "--key"))
            continue
        try:
            with Path(one).open("rb") as file:
                lines = _decoded(file.read(KEYS_BYTES)).splitlines()
        except (OSError, ValueError) as error:
            raise RequestError(
                f"{one!r} is no key, which begins with {KEY_PREFIX!r}, and no file of keys."
            ) from error
        words = [line.split()[0] for line in lines if line.strip() and not line.lstrip().startswith("#")]
        keys += [_checked(word, one) for word in words]
    if given and not keys:
        raise RequestError(f"There is no key in {given[0]!r}: write one a line.")
    return keys


def known_keys(terminal: Terminal, given: Any) -> list[ReceiptKey]:
    """What the coordinator knows of the keys that a receipt names."""
    envelope = given["envelope"] if isinstance(given, dict) and "envelope" in given else given
    named = [key for key in named_keys(envelope) if is_public(key)]
    try:
        client = connect(terminal)
    except RequestError as error:
        if error.code != "no-profile":
            raise
        raise RequestError(
            "Whom to trust is not known here: name the worker's key with --key, or a coordinator that knows "
            "its workers with 'pullyard login URL'."
        ) from error
    with client:
        return [known for key in dict.fromkeys(named) for known in client.receipt_keys(key)]


def _checked(text: str, where: str) -> str:
    if not is_public(text):
        raise RequestError(
            f"{text[:60]!r} ({where}) is no public key: "
            "'pullyard receipt key' shows the one of a machine's worker."
        )
    return text


def is_public(text: str) -> bool:
    try:
        read_public(text)
    except ValueError:
        return False
    return True


def _there(receipt: dict[str, Any] | None, reference: str) -> dict[str, Any]:
    if receipt is None:
        raise Missing(f"{reference} has no receipt: nothing was verified.")
    return receipt


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "replace")
