"""What an agent's event is to people: an entry of the conversation and the line of the log beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pullyard.agents.lines import JsonLines, bounded, object_of, sentence_of, text_of
from pullyard.agents.protocol import Output
from pullyard.lifecycle.money import dollars
from pullyard.protocol.conversation import Entry
from pullyard.protocol.worker import Usage

TEXT_LIMIT = 64 << 10
RESULT_LIMIT = 1 << 20
"""Characters of one tool's result; the conversation has the begin of it, the log the whole."""
_INPUT_LIMIT = 16 << 10
SESSION_LIMIT = 3 << 20
"""Characters of what an agent that asks hands on to the instance that gets the answer."""
_ID_LIMIT = 200
_CHOICES = 20
_SHOWN = ("file_path", "filePath", "path", "command", "pattern", "query", "description", "prompt")
"""Names of a tool's arguments, of which the first that is there stands in the log."""

Told = tuple[Entry | None, str]


class Listener:
    """Feeds the objects of an agent's output to ``understand``; all other bytes are log as they stand."""

    def __init__(self, understand: Callable[[Mapping[str, Any], float], Sequence[Told]]) -> None:
        self._lines = JsonLines()
        self._understand = understand

    def read(self, data: bytes, at: float) -> Output:
        log, entries = bytearray(), list[Entry]()
        for piece in self._lines.feed(data):
            if isinstance(piece, bytes):
                log += piece
                continue
            for entry, line in self._understand(piece, at):
                log += line.encode(errors="replace")
                if entry is not None:
                    entries.append(entry)
        return Output(log=bytes(log), entries=entries)


def message(text: Any, at: float) -> Told:
    text = text_of(text, TEXT_LIMIT)
    return Entry(kind="message", at=at, text=text), f"{text}\n\n"


def thought(text: Any, at: float) -> Told:
    return Entry(kind="thought", at=at, text=text_of(text, TEXT_LIMIT)), ""


def note(text: Any, at: float, *, is_error: bool = False) -> Told:
    text = text_of(text, TEXT_LIMIT)
    return Entry(kind="note", at=at, text=text, is_error=is_error), f"{text}\n"


def plan(text: Any, at: float) -> Told:
    text = text_of(text, TEXT_LIMIT)
    return Entry(kind="plan", at=at, text=text), f"{text}\n"


def call(tool: Any, call_id: Any, given: Any, at: float) -> Told:
    """``given`` are the tool's arguments."""
    tool, given = sentence_of(tool, 80), object_of(given)
    shown = next((given[name] for name in _SHOWN if name in given), "")
    if isinstance(shown, list):
        shown = " ".join(sentence_of(word) for word in shown[:20])
    entry = Entry(
        kind="tool-call",
        at=at,
        tool=tool,
        call_id=text_of(call_id, _ID_LIMIT),
        data=object_of(bounded(given, _INPUT_LIMIT)),
    )
    return entry, f"→ {tool} {sentence_of(shown)}\n"


def result(text: Any, call_id: Any, at: float, *, is_error: bool) -> Told:
    text = text_of(text, RESULT_LIMIT)
    entry = Entry(
        kind="tool-result", at=at, text=text, call_id=text_of(call_id, _ID_LIMIT), is_error=is_error
    )
    return entry, f"  failed: {sentence_of(text)}\n" if is_error else ""


def diff(text: Any, call_id: Any, at: float) -> Told:
    """What a call of a tool changed, as a unified diff."""
    entry = Entry(kind="diff", at=at, text=text_of(text, TEXT_LIMIT), call_id=text_of(call_id, _ID_LIMIT))
    return entry, ""


def question(text: str, choices: Any, at: float) -> tuple[Told, list[str]]:
    """And the answers that may be chosen from."""
    told = [sentence_of(one, 200) for one in (choices if isinstance(choices, list) else [])[:_CHOICES]]
    offered = [choice for choice in told if choice]
    entry = Entry(kind="question", at=at, text=text, data={"choices": offered})
    return (entry, f"It asks: {text}\n"), offered


def summary(usage: Usage, at: float, *, failed: bool, turns: int) -> Told:
    text = f"{'Ended with an error' if failed else 'Done'}: {turns} turns, "
    text += f"{usage.input_tokens + usage.output_tokens} tokens"
    text += f", {dollars(usage.cost_micros)}." if usage.cost_micros else "."
    data = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_micros": usage.cost_micros,
        "turns": turns,
    }
    return Entry(kind="usage", at=at, text=text, data=data, is_error=failed), f"\n{text}\n"
