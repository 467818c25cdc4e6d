"""The commands of a receipt as a table for people."""

import shlex
from collections.abc import Iterable
from typing import Any

import msgspec

from pullyard.protocol.receipt_text import tests_text
from pullyard.protocol.worker import CommandResult

HEADS = ("COMMAND", "OUTCOME", "EXIT", "TESTS", "TIME")


def command_rows(results: Iterable[CommandResult]) -> list[tuple[str, ...]]:
    return [
        (
            shlex.join(result.argv),
            f"{result.outcome}, flaky" if result.flaky else result.outcome,
            "-" if result.exit_code is None else str(result.exit_code),
            tests_text(result),
            f"{result.seconds:.1f} s",
        )
        for result in results
    ]


def rows_of(receipt: Any) -> list[tuple[str, ...]]:
    """Of one that nobody has checked; empty where it has another shape."""
    try:
        return command_rows(msgspec.convert(receipt["commands"], list[CommandResult]))
    except (msgspec.ValidationError, KeyError, TypeError):
        return []
