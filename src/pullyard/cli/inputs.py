"""From what was typed to what the API takes, with one sentence for what is wrong."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pullyard.lifecycle.money import to_micros
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import AgentSettings

InputT = TypeVar("InputT", bound=BaseModel)

STDIN = "-"
TEXT_CHARACTERS = 200_000


def checked(model: type[InputT], values: Mapping[str, Any]) -> InputT:
    """The model with what was given; None means not given, so that the server's default holds."""
    try:
        return model(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise RequestError(f"This can't be used: {first_fault(error)}.") from error


def first_fault(error: ValidationError) -> str:
    """Where the first fault is, and what it is."""
    first = error.errors()[0]
    place = " ".join(str(part) for part in first["loc"])
    return f"{place.replace('_', ' ')}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def split_command(line: str) -> list[str]:
    """A command line as a shell would split it; nothing in it is run by a shell."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise RequestError(f"The command {line!r} can't be split into words: {error}.") from error
    if not words:
        raise RequestError("A command is empty: write the program and its arguments.")
    return words


def split_commands(lines: Sequence[str]) -> list[list[str]] | None:
    return [split_command(line) for line in lines] or None


def read_text(given: str) -> str:
    """The text itself, or stdin for ``-``."""
    if given != STDIN:
        return given
    return sys.stdin.buffer.read(TEXT_CHARACTERS).decode("utf-8", "replace")


def read_json_file(path: Path) -> Any:
    """Raises RequestError, which names the file and what is wrong with it."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(TEXT_CHARACTERS))
    except (OSError, ValueError, RecursionError) as error:
        raise RequestError(f"{path} can't be read as JSON: {error}.") from error


def read_time(given: str | None) -> datetime | None:
    """A moment; one without a zone is of this machine's."""
    if given is None:
        return None
    try:
        return datetime.fromisoformat(given).astimezone()
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{given!r} is no time: write it as 2026-05-01T06:00.") from error


def read_agent(name: str | None, options: Sequence[str], command: str | None) -> AgentSettings | None:
    """None where nothing was said about the agent."""
    settings = dict(_read_option(option) for option in options)
    if command is not None:
        if name not in (None, "command"):
            raise RequestError(
                f"--command is for the agent 'command', not for {name!r}: leave one of them out."
            )
        return checked(AgentSettings, {"name": "command", "settings": {**settings, "command": command}})
    if name is None:
        if settings:
            raise RequestError("--agent-option needs --agent, which says whose option it is.")
        return None
    return checked(AgentSettings, {"name": name, "settings": settings})


def _read_option(option: str) -> tuple[str, Any]:
    """``key=value``; a value that reads as JSON is that, any other is text."""
    key, mark, value = option.partition("=")
    if not mark or not key:
        raise RequestError(f"{option!r} is no agent option: write KEY=VALUE.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def money(text: str | None) -> int | None:
    """Dollars, such as ``12.50``, in micros. Raises RequestError."""
    if text is None:
        return None
    try:
        amount = to_micros(Decimal(text.removeprefix("$")))
    except (InvalidOperation, ValueError, OverflowError):
        amount = 0
    if amount <= 0:
        raise RequestError(f"{text[:40]!r} is no amount: give dollars, such as 12.50.")
    return amount
