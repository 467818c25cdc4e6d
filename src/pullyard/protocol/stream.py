"""Messages of the one WebSocket, ``/api/v1/stream``. Every message carries ``v``, its schema version.

The client subscribes; the server answers with what follows the cursor (events) or the offset (logs), with
nothing lost or doubled, and goes on live. Log bytes travel as text where they
are valid UTF-8 as they stand, else as base64: ``encoding`` says which.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pullyard.protocol.versions import STREAM_VERSION


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")
    v: Literal[1] = STREAM_VERSION


class SubscribeEvents(Message):
    """All events of the tenant, or of one project, after ``cursor``; null begins with what comes next."""

    type: Literal["subscribe-events"] = "subscribe-events"
    id: str = Field(max_length=100, description="chosen by the client, unique on its connection")
    project_id: str | None = Field(None, max_length=100)
    cursor: int | None = Field(None, ge=0, le=2**62)


class SubscribeLog(Message):
    type: Literal["subscribe-log"] = "subscribe-log"
    id: str = Field(max_length=100)
    execution_id: str = Field(max_length=100, pattern=r"^[^\x00]*$")
    stream: str = Field(max_length=50, pattern=r"^[a-z][a-z0-9-]*$")
    offset: int = Field(0, ge=0, le=2**62)


class Unsubscribe(Message):
    type: Literal["unsubscribe"] = "unsubscribe"
    id: str = Field(max_length=100)


class Ping(Message):
    type: Literal["ping"] = "ping"


ClientMessage = Annotated[SubscribeEvents | SubscribeLog | Unsubscribe | Ping, Field(discriminator="type")]


class ExecutionUpdate(Message):
    """An event about a task, an execution, a change or a worker; ``kind`` says which."""

    type: Literal["execution-update", "task-update", "worker-update", "change-update", "notification"]
    subscription: str
    cursor: int
    kind: str
    project_id: str | None
    task_id: str | None
    execution_id: str | None
    payload: dict[str, Any]
    at: str


class ExecutionLog(Message):
    type: Literal["execution-log"] = "execution-log"
    subscription: str
    execution_id: str
    stream: str
    offset: int
    size_bytes: int
    encoding: Literal["utf-8", "base64"]
    data: str


class Completion(Message):
    """The subscription has ended by itself: the log is complete up to ``offset``."""

    type: Literal["completion"] = "completion"
    subscription: str
    execution_id: str
    offset: int


class Subscribed(Message):
    type: Literal["subscribed"] = "subscribed"
    subscription: str
    cursor: int | None = None


class StreamError(Message):
    type: Literal["error"] = "error"
    subscription: str | None = None
    code: str
    message: str


class Pong(Message):
    type: Literal["pong"] = "pong"
