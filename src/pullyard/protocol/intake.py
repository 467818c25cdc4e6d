"""Events from outside, and the rules by which they become tasks."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from pullyard.protocol.fields import AgentSettings, Argv, Branch, Input, Line, Name, Resource, Text
from pullyard.protocol.resources import RetrySettings

LISTED_VALUES = 200
"""Each is compared with every value that an event has at the path."""
_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Identity = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_ONE_LINE)]
Source = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_ONE_LINE)]
Attribute = Annotated[str, StringConstraints(max_length=2000, pattern=_ONE_LINE)]
Extension = Attribute | bool | Annotated[int, Field(ge=-(2**31), lt=2**31)]
Pattern = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=r"^([^*\x00]*\*){0,8}[^*\x00]*$")
]
Path = Annotated[
    str, StringConstraints(max_length=300, pattern=r"^[A-Za-z0-9]+(\.[^{}.\s\x00]{1,100}){0,20}$")
]
_extensions: TypeAdapter[dict[str, Extension]] = TypeAdapter(
    Annotated[dict[Annotated[str, Field(max_length=100)], Extension], Field(max_length=50)]
)


class Event(BaseModel):
    """CloudEvents 1.0. What is neither an attribute nor data is an extension, named in a-z and 0-9."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: Identity = Field(description="with `source` it is unique: delivered twice, it makes one task")
    source: Source
    type: Identity
    subject: Attribute | None = None
    time: AwareDatetime | None = None
    datacontenttype: Attribute | None = None
    dataschema: Attribute | None = None
    data: JsonValue = None
    data_base64: str | None = None

    @model_validator(mode="after")
    def check_extensions(self) -> "Event":
        names = list(_extensions.validate_python(self.model_extra))
        if wrong := [
            name for name in names if not name.isascii() or not name.isalnum() or name != name.lower()
        ]:
            raise ValueError(f"{wrong[0][:60]!r} can't name an extension: lower-case letters and digits only")
        if self.data is not None and self.data_base64 is not None:
            raise ValueError("an event has `data` or `data_base64`, not both")
        return self

    def attributes(self) -> dict[str, Any]:
        """All that is there of it, without its data."""
        return self.model_dump(mode="json", exclude={"data", "data_base64"}, exclude_none=True)


class PlainEvent(Event):
    """As a program writes it by hand. Without an `id` every delivery is another event."""

    specversion: Literal["1.0"] = "1.0"
    id: Identity = ""
    source: Source = "/"


class Condition(Input):
    """One of the values at `path` must be so; `not_equals` and `missing` are about all of them."""

    path: Path = Field(description="such as `data.issue.labels.*.name`, `subject` or an extension")
    op: Literal["equals", "not_equals", "in", "contains", "matches", "exists", "missing"] = "equals"
    value: JsonValue = Field(
        default=None, description="a list for `in`; for `matches` a text in which `*` stands for any text"
    )

    @model_validator(mode="after")
    def check_value(self) -> "Condition":
        if self.op == "in" and not (isinstance(self.value, list) and len(self.value) <= LISTED_VALUES):
            raise ValueError(f"`in` needs a list of at most {LISTED_VALUES} values")
        if self.op == "matches" and not (isinstance(self.value, str) and len(self.value) <= 500):
            raise ValueError("`matches` needs a text of at most 500 characters")
        return self


class EventTask(Input):
    """`{data.path}`, `{subject}` and the like stand for what the event holds; nothing is ever evaluated."""

    title: Line
    description: Text = ""
    acceptance_criteria: list[Line] = Field(default_factory=list[Line], max_length=100)
    labels: list[Line] = Field(default_factory=list[Line], max_length=50)
    priority: int | Line = Field(default=0, description="a number, or the place of one")
    workflow: Line | None = None
    target_files: list[Line] = Field(default_factory=list[Line], max_length=1000)
    verify_commands: list[Argv] | None = Field(None, max_length=50, description="taken as they are")
    budget_micros: int | None = Field(None, ge=0, le=10**15)
    base_branch: Branch | None = None
    agent: AgentSettings | None = None
    retry: RetrySettings | None = None


class EventRuleInput(Input):
    name: Name
    enabled: bool = True
    type_pattern: Pattern = Field(default="*", description="of the event's `type`; `*` is any text")
    source_pattern: Pattern = "*"
    conditions: list[Condition] = Field(default_factory=list[Condition], max_length=20)
    task: EventTask


class EventRulePatch(Input):
    name: Name | None = None
    enabled: bool | None = None
    type_pattern: Pattern | None = None
    source_pattern: Pattern | None = None
    conditions: list[Condition] | None = Field(None, max_length=20, description="replaces them all")
    task: EventTask | None = Field(default=None, description="replaces it all")


class EventRule(Resource):
    id: str
    project_id: str
    name: str
    enabled: bool
    type_pattern: str
    source_pattern: str
    conditions: list[Condition]
    task: EventTask
    version: int
    created_at: datetime
    updated_at: datetime


class Outcome(Resource):
    """What became of an event by one rule that is for its type and source."""

    rule_id: str
    rule: str
    project_id: str
    task_id: str | None = None
    why: str = Field("", description="why it made no task")


class ReceivedEvent(Resource):
    id: str
    source: str
    event_id: str
    type: str
    attributes: dict[str, Any]
    data: JsonValue = None
    matched: bool = Field(description="whether it made a task")
    outcomes: list[Outcome] = Field(description="one for each rule that is for its type and source")
    duplicate: bool = Field(
        default=False, description="it was received before; this is what became of it then"
    )
    received_at: datetime


class Reception(Resource):
    """In the order in which the events were sent."""

    events: list[ReceivedEvent]
    task_ids: list[str]
