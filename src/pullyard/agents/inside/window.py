"""Keeps what is sent within the model's window: old results are cut first, then whole turns left out.

It is done rarely and then thoroughly, since a provider keeps only what has not changed from the beginning on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

FULL = 0.85
"""Of the window: from here on something is cut."""
ROOM = 0.5
"""Of the window: so much is left when it was."""
KEPT_TURNS = 3
"""The newest ones, whose results stay whole where that is possible at all."""
STUB_CHARACTERS = 400
NOTE_CHARACTERS = 6000
LEAST_CHARACTERS_PER_TOKEN = 1.5
USUAL_CHARACTERS_PER_TOKEN = 3.0


@dataclass
class Window:
    tokens: int
    """What the model takes, without what its answer needs."""
    characters_per_token: float = USUAL_CHARACTERS_PER_TOKEN

    def learn(self, messages: Sequence[ModelMessage], input_tokens: int) -> None:
        """How much text a token is in this conversation, from what the provider has counted."""
        if input_tokens > 1000:
            measured = size_of(messages) / input_tokens
            self.characters_per_token = min(max(measured, LEAST_CHARACTERS_PER_TOKEN), 4.0)

    def narrow(self) -> None:
        """The model says that it was too much."""
        self.tokens = self.tokens * 2 // 3

    def fit(self, messages: list[ModelMessage]) -> list[ModelMessage]:
        """The same messages where they fit; the first one, the task, always stays."""
        if size_of(messages) <= self._characters(FULL):
            return messages
        room = self._characters(ROOM)
        messages = cut_results(messages, keep=2 * KEPT_TURNS)
        if size_of(messages) > room:
            messages = leave_out(messages, room)
        if size_of(messages) > room:
            messages = cut_results(messages, keep=0)
        return messages

    def _characters(self, part: float) -> int:
        return int(self.tokens * self.characters_per_token * part)


def size_of(messages: Sequence[ModelMessage]) -> int:
    """Bytes as JSON: a little more than the text, as the wire formats have it."""
    return len(ModelMessagesTypeAdapter.dump_json(list(messages)))


def cut_results(messages: list[ModelMessage], *, keep: int) -> list[ModelMessage]:
    """All but the last ``keep`` messages with short results, and short arguments of calls."""
    older = messages[1 : max(1, len(messages) - keep)]
    cut = [shortened(message) for message in older]
    return [messages[0], *cut, *messages[1 + len(older) :]]


def shortened(message: ModelMessage) -> ModelMessage:
    if isinstance(message, ModelRequest):
        parts = [
            shortened_return(part) if isinstance(part, ToolReturnPart) else part for part in message.parts
        ]
        return replace(message, parts=parts)
    parts = [shortened_call(part) if isinstance(part, ToolCallPart) else part for part in message.parts]
    return replace(message, parts=parts)


def shortened_return(part: ToolReturnPart) -> ToolReturnPart:
    return replace(part, content=shorten(str(part.content)))


def shortened_call(call: ToolCallPart) -> ToolCallPart:
    given = call.args_as_dict()
    return replace(
        call,
        args={
            name: shorten(value) if isinstance(value, str) else value
            for name, value in list(given.items())[:20]
        },
    )


def shorten(text: str) -> str:
    left_out = len(text) - STUB_CHARACTERS
    if left_out <= 0 or text.endswith("left out to make room]"):
        return text
    return f"{text[:STUB_CHARACTERS]}\n[{left_out} characters left out to make room]"


def leave_out(messages: list[ModelMessage], room: int) -> list[ModelMessage]:
    """Without the oldest turns, an answer with its results each; what they did is noted with the task."""
    first, rest = messages[0], messages[1:]
    gone: list[ModelMessage] = []
    while len(rest) > 2 * KEPT_TURNS and size_of(rest) + NOTE_CHARACTERS > room:
        gone.append(rest.pop(0))
        while rest and not isinstance(rest[0], ModelResponse):
            gone.append(rest.pop(0))
    if not gone:
        return messages
    assert isinstance(first, ModelRequest)
    parts = [part for part in first.parts if not note_in(part)]
    before = "".join(map(note_in, first.parts))
    return [replace(first, parts=[*parts, UserPromptPart(note_of(before, gone))]), *rest]


_NOTE = "[Earlier turns were left out to make room. What they did, the oldest first:"


def note_in(part: object) -> str:
    text = str(part.content) if isinstance(part, UserPromptPart) else ""
    return text if text.startswith(_NOTE) else ""


def note_of(before: str, gone: Sequence[ModelMessage]) -> str:
    lines = [line for line in before.splitlines()[1:] if line != "]"]
    for message in gone:
        if isinstance(message, ModelResponse):
            lines += [f"- {text[:200]}" for text in [" ".join((message.text or "").split())] if text]
            lines += [f"- {describe(call)}" for call in message.tool_calls]
    kept: list[str] = []
    room = NOTE_CHARACTERS - len(_NOTE)
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([_NOTE, *reversed(kept), "]"])


def describe(call: ToolCallPart) -> str:
    given = call.args_as_dict()
    shown = next((given[name] for name in ("path", "command", "pattern", "question") if name in given), "")
    return f"{call.tool_name[:40]} {' '.join(str(shown).split())[:120]}"
