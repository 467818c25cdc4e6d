"""What the scripted model answers, turn by turn, in any provider's words."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Text:
    text: str
    input_tokens: int = 100
    """All of the prompt's, with those from a cache."""
    output_tokens: int = 20
    """All of them, with those of reasoning."""
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class ToolUse:
    name: str
    input: dict[str, Any] | str
    """Text for a tool that takes no JSON, of the Responses API alone."""
    input_tokens: int = 100
    output_tokens: int = 20
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Failure:
    status: int
    kind: str = "api_error"
    message: str = "The model is unwell."
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Raw:
    """Bytes after the headers, as they are; ``hang`` leaves the answer open until the client goes."""

    body: bytes
    content_type: str = "text/event-stream"
    hang: bool = False


@dataclass(frozen=True)
class Slow:
    """The turn, with so many seconds before every piece of it."""

    turn: "Text | ToolUse | Failure | Raw"
    seconds: float


@dataclass(frozen=True)
class Held:
    """The turn, once somebody lets it go; ``asked`` is set when the model was asked for it."""

    turn: Text | ToolUse
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Broken:
    """The turn's answer as it begins; then the connection is closed without an end."""

    turn: Text | ToolUse
    after_bytes: int


Turn = Text | ToolUse | Failure | Raw | Slow | Held | Broken
Spoken = Text | ToolUse


@dataclass(frozen=True)
class Recorded:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.split("?")[0]

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """A successful answer: its pieces are what the server writes one by one."""

    content_type: str
    pieces: Sequence[bytes]


def reply_json(value: Any) -> Reply:
    return Reply("application/json", [json.dumps(value).encode()])


class Format(Protocol):
    """One provider's wire format. The server asks the first whose ``speaks`` says yes."""

    def speaks(self, request: Recorded) -> bool: ...

    def aside(self, request: Recorded) -> Reply | None:
        """What agents ask beside their work (models, counts, titles); None where it takes a turn."""
        ...

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply: ...

    def error(self, failure: Failure) -> dict[str, Any]: ...


def thirds(text: str) -> list[str]:
    """A text as a stream brings it."""
    size = -(-len(text) // 3) or 1
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def arguments(turn: ToolUse) -> str:
    return turn.input if isinstance(turn.input, str) else json.dumps(turn.input)
