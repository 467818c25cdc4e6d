"""Messages of the one WebSocket, ``/api/v1/stream``. Every message carries ``v``, its schema version.

The client subscribes; the server answers with what follows the cursor (events) or the offset (logs), with
nothing lost or doubled, and goes on live. Log bytes travel as text where they are valid UTF-8 as they stand,
else as base64: ``encoding`` says which. A client passes over types and fields that it does not know: within
a version they may be added.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pullyard.protocol.resources import Execution, Project, Task, TaskInput
from pullyard.protocol.versions import STREAM_VERSION

MAX_CURSOR = 2**62
MAX_PROJECTS = 100
Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
SubscriptionId = Annotated[
    str, Field(max_length=100, description="chosen by the client, unique on its connection")
]
Offset = Annotated[int, Field(ge=0, le=MAX_CURSOR)]


class Message(BaseModel):
    """What a client sends: an unknown field is an error, so that a typing mistake can't pass silently."""

    model_config = ConfigDict(extra="forbid")
    v: Literal[1] = STREAM_VERSION


class Told(BaseModel):
    """What the server sends. Fields may be added, and who does not know them passes over them."""

    model_config = ConfigDict(extra="ignore")
    v: Literal[1] = STREAM_VERSION


class SubscribeEvents(Message):
    """All events of the tenant, of some projects, of one task or of one execution, after ``cursor``."""

    type: Literal["subscribe-events"] = "subscribe-events"
    id: SubscriptionId
    project_id: Identifier | None = Field(
        default=None, description="short for `project_ids` with one project"
    )
    project_ids: list[Identifier] | None = Field(default=None, min_length=1, max_length=MAX_PROJECTS)
    task_id: Identifier | None = None
    execution_id: Identifier | None = None
    cursor: Offset | None = Field(default=None, description="null begins with what comes next")
    snapshot: bool = Field(
        default=False, description="send what is there first: the named projects, task or execution"
    )
    resources: bool = Field(
        default=False, description="send with an event its task and its execution, as they are now"
    )

    @model_validator(mode="after")
    def one_filter(self) -> "SubscribeEvents":
        filters = (self.project_id, self.project_ids, self.task_id, self.execution_id)
        if sum(one is not None for one in filters) > 1:
            raise ValueError("Give one of project_id, project_ids, task_id and execution_id.")
        return self


class SubscribeLog(Message):
    """One stream of an execution's log, from the byte ``offset`` on."""

    type: Literal["subscribe-log"] = "subscribe-log"
    id: SubscriptionId
    execution_id: Identifier
    stream: str = Field(max_length=50, pattern=r"^[a-z][a-z0-9-]*$")
    offset: Offset = 0


class Unsubscribe(Message):
    """Nothing comes for this subscription any more; one that does not exist is no error."""

    type: Literal["unsubscribe"] = "unsubscribe"
    id: SubscriptionId


class CreateTask(Message):
    """The same as ``POST /api/v1/projects/{project_id}/tasks``; answered by ``task-created`` or ``error``."""

    type: Literal["create-task"] = "create-task"
    request_id: str = Field(
        min_length=1, max_length=100, description="chosen by the client, named in the answer"
    )
    project_id: Identifier
    task: TaskInput
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="one key makes one task, however often it comes",
    )


class Ping(Message):
    """From either side, answered by ``pong``."""

    type: Literal["ping"] = "ping"
    cursor: Offset | None = Field(
        default=None,
        description="the server's: every event subscription that it has confirmed was sent all up to here",
    )


class Pong(Message):
    """The answer to ``ping``: this side lives."""

    type: Literal["pong"] = "pong"


ClientMessage = Annotated[
    SubscribeEvents | SubscribeLog | Unsubscribe | CreateTask | Ping | Pong, Field(discriminator="type")
]


class ExecutionUpdate(Told):
    """One event. ``kind`` says what happened, ``type`` what it is about; ``cursor`` is the event's id."""

    type: Literal[
        "task-update",
        "execution-update",
        "worker-update",
        "change-update",
        "project-update",
        "automation-update",
        "notification",
    ]
    subscription: str
    cursor: int
    kind: str
    project_id: str | None
    task_id: str | None
    execution_id: str | None
    payload: dict[str, Any]
    at: str = Field(description="ISO 8601, by the database's clock")
    task: Task | None = Field(default=None, description="with `resources`, as it is now, or left out")
    execution: Execution | None = Field(
        default=None, description="with `resources`, as it is now, or left out"
    )


class ExecutionLog(Told):
    """A piece of a log. The next one begins at ``offset`` + ``size_bytes``."""

    type: Literal["execution-log"] = "execution-log"
    subscription: str
    execution_id: str
    stream: str
    offset: int
    size_bytes: int = Field(description="of the bytes as they were written")
    encoding: Literal["utf-8", "base64"]
    data: str


class Completion(Told):
    """The subscription has ended by itself: the log is complete up to ``offset``."""

    type: Literal["completion"] = "completion"
    subscription: str
    execution_id: str
    offset: int


class Subscribed(Told):
    """The subscription stands; for events, what comes follows ``cursor``."""

    type: Literal["subscribed"] = "subscribed"
    subscription: str
    cursor: int | None = None


class Snapshot(Told):
    """What the subscription is about, as it is now. Events up to ``cursor`` are in it; later ones may be."""

    type: Literal["snapshot"] = "snapshot"
    subscription: str
    cursor: int
    projects: list[Project] = Field(default_factory=list[Project])
    task: Task | None = None
    execution: Execution | None = None


class TaskCreated(Told):
    """The answer to ``create-task``."""

    type: Literal["task-created"] = "task-created"
    request_id: str
    task: Task


class StreamError(Told):
    """A wish that was not granted, or a subscription that can't go on; ``message`` says what to do.

    Without ``subscription`` and ``request_id`` it is about the connection or an unreadable message."""

    type: Literal["error"] = "error"
    subscription: str | None = None
    request_id: str | None = None
    code: str
    message: str


ServerMessage = Annotated[
    ExecutionUpdate
    | ExecutionLog
    | Completion
    | Subscribed
    | Snapshot
    | TaskCreated
    | StreamError
    | Ping
    | Pong,
    Field(discriminator="type"),
]
