"""What the resources of ``/api/v1`` are made of: bounded texts and names, and how bodies are read."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

# NUL can't be stored as text in Postgres, so no field takes it.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_NUL)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=100_000, pattern=_NO_NUL)]
Argument = Annotated[str, StringConstraints(max_length=20_000, pattern=_NO_NUL)]
Argv = Annotated[list[Argument], Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Branch = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=_NO_NUL)]
# Within what Postgres and every time zone can hold.
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))
]
TaskId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_NUL)]
Signature = Annotated[str, StringConstraints(max_length=8192, pattern=r"^[A-Za-z0-9._-]+$")]
Address = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=_NO_NUL)]
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._=/-]*$")
]


class Resource(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Input(BaseModel):
    """What a caller sends: an unknown field is an error, so that a typing mistake can't pass silently."""

    model_config = ConfigDict(extra="forbid")


class AgentSettings(Input):
    name: Name = "command"
    settings: dict[str, Any] = Field(default_factory=dict)
