"""One conversation model for every agent: JSON lines in the log stream ``conversation``."""

from typing import Any, Literal

import msgspec

CONVERSATION_STREAM = "conversation"
RESULTS_STREAM = "results"
"""Of the log: what was too long for the conversation, one after the other."""
RESULT_CHARACTERS = 16 << 10
"""Of one tool's result that the conversation keeps."""


class Place(msgspec.Struct, kw_only=True):
    """Where a text is in the log, in bytes."""

    stream: str
    offset: int
    size_bytes: int


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that was said or done. ``at`` is seconds since the execution's start."""

    kind: Literal[
        "message", "thought", "plan", "tool-call", "tool-result", "diff", "usage", "question", "note"
    ]
    at: float
    text: str = ""
    tool: str = ""
    call_id: str = ""
    data: dict[str, Any] = {}
    is_error: bool = False
    whole: Place | None = None
    """Where all of a text is that is only begun here; it is kept as long as other logs."""


_encode = msgspec.json.Encoder().encode


def to_line(entry: Entry) -> bytes:
    return _encode(entry) + b"\n"
