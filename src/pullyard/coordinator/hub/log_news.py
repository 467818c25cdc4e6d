"""The word that a log has grown: at once here; elsewhere where somebody watches, with its bytes if few."""

import base64
import binascii

from pullyard.coordinator.hub.log_fanout import LogFanout
from pullyard.coordinator.hub.watched import Watched
from pullyard.coordinator.logs.frames import MAX_FRAME_BYTES, expand_kept
from pullyard.protocol.errors import RemoteFailure
from pullyard.store.bus.protocol import Bus

LOG = "log:"
ROOM_BYTES = 300
"""For the topic and the numbers, beside the frame."""


class LogNews:
    """The topic is ``log:EXECUTION:STREAM``, or ``log:EXECUTION`` for all of its streams. The payload is the
    offset, the size in bytes and, where they are few, the zstd frame in base64."""

    def __init__(self, bus: Bus, logs: LogFanout, watched: Watched) -> None:
        self._bus = bus
        self._logs = logs
        self._watched = watched

    def appended(self, execution_id: str, stream: str, *, offset: int, end: int, frame: bytes) -> None:
        """Call after the commit."""
        key = (execution_id, stream)
        if self._logs.follows(key):
            self._logs.appended(key, offset, expand_kept(frame, end - offset))
        if self._watched.is_watched_elsewhere(execution_id):
            payload = f"{offset} {end - offset}"
            if len(frame) * 4 // 3 + ROOM_BYTES < self._bus.message_bytes:
                payload = f"{payload} {base64.b64encode(frame).decode()}"
            self._bus.tell_others(f"{LOG}{execution_id}:{stream}", payload)

    def ended(self, execution_id: str) -> None:
        """Call after the commit that ends the execution."""
        self._logs.look_at_execution(execution_id)
        if self._watched.is_watched_elsewhere(execution_id):
            self._bus.tell_others(LOG + execution_id)

    def hear(self, topic: str, payload: str) -> None:
        """From another replica. Whatever can't be made out is a reason to look, and no more."""
        execution_id, _, stream = topic.removeprefix(LOG).partition(":")
        if not stream:
            self._logs.look_at_execution(execution_id)
            return
        key = (execution_id, stream)
        if not self._logs.follows(key):
            return
        try:
            offset, size_bytes, frame = payload.split(" ")
            if not 0 < int(size_bytes) <= MAX_FRAME_BYTES:
                raise binascii.Error("no frame is so long")
            data = expand_kept(base64.b64decode(frame, validate=True), int(size_bytes))
            self._logs.appended(key, int(offset), data)
        except (ValueError, RemoteFailure):
            self._logs.look(key)
