"""One conversation model for every agent: JSON lines in the log stream ``conversation``."""

from typing import Any, Literal

import msgspec

CONVERSATION_STREAM = "conversation"


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


_encode = msgspec.json.Encoder().encode


def to_line(entry: Entry) -> bytes:
    return _encode(entry) + b"\n"
