"""Messages encoded once for everybody who gets them, and framed without a copy for each."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from pullyard.protocol.versions import STREAM_VERSION
from pullyard.store.feed import StoredEvent

# Of pieces this long the frame's head is sent apart, so that a thousand sockets share the bytes.
SHARED_BYTES = 16 * 1024
NO_RESOURCES: Mapping[str, msgspec.Raw] = MappingProxyType({})
_encode = msgspec.json.Encoder().encode
_TYPES = {
    "task": "task-update",
    "execution": "execution-update",
    "worker": "worker-update",
    "change": "change-update",
    "project": "project-update",
    "automation": "automation-update",
}


class Shared:
    """One message for any number of subscriptions, which differ in nothing but their id."""

    __slots__ = ("_frame", "_label", "body", "position", "type")

    def __init__(self, kind: str, position: int | None, fields: dict[str, Any]) -> None:
        self.type = kind
        self.position = position
        """The cursor, or the offset after it: where a client that has this message goes on."""
        self.body = _encode({"type": kind, "v": STREAM_VERSION, **fields})
        self._label = b""
        self._frame: tuple[bytes, ...] = ()

    def frame(self, label: bytes) -> tuple[bytes, ...]:
        """A WebSocket frame for the subscription whose id is ``label`` in JSON.

        Most clients call their subscription the same, so that the last frame is mostly the next one too.
        """
        if label != self._label:
            head = b'{"subscription":' + label + b","
            head = frame_head(len(head) + len(self.body) - 1) + head
            rest = self.body[1:]
            self._label, self._frame = label, (head, rest) if len(rest) > SHARED_BYTES else (head + rest,)
        return self._frame


def frame_head(length: int) -> bytes:
    """The beginning of an unmasked text frame that is a whole message (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


def text_frame(text: bytes) -> bytes:
    return frame_head(len(text)) + text


def label_of(subscription: str) -> bytes:
    return _encode(subscription)


def event_message(event: StoredEvent, resources: Mapping[str, msgspec.Raw] = NO_RESOURCES) -> Shared:
    """``resources`` are further fields, as JSON."""
    return Shared(
        _TYPES.get(event.kind.partition(".")[0], "notification"),
        event.cursor,
        {
            "cursor": event.cursor,
            "kind": event.kind,
            "project_id": event.project_id,
            "task_id": event.task_id,
            "execution_id": event.execution_id,
            "payload": event.payload,
            "at": event.at.isoformat(),
            **resources,
        },
    )


def log_message(execution_id: str, stream: str, offset: int, data: bytes) -> Shared:
    """Text where the piece is valid UTF-8 as it stands, else base64."""
    try:
        text, encoding = data.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(data).decode(), "base64"
    fields = {"execution_id": execution_id, "stream": stream, "offset": offset, "size_bytes": len(data)}
    return Shared("execution-log", offset + len(data), {**fields, "encoding": encoding, "data": text})


def completion_message(execution_id: str, offset: int) -> Shared:
    return Shared("completion", offset, {"execution_id": execution_id, "offset": offset})
