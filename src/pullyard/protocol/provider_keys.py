"""Keys of model providers that the coordinator keeps without being able to read them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from pullyard.protocol.resources import Input, Resource
from pullyard.protocol.sealing import MOST_CHARACTERS

ProviderName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
SealingKey = Annotated[str, StringConstraints(pattern=r"^x25519:[A-Za-z0-9+/]{43}=$")]
Box = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class KeyScope(StrEnum):
    TENANT = "tenant"
    PROJECT = "project"
    USER = "user"


class ProviderKeyInput(Input):
    """Replaces the one of the same scope and provider, which is how a key is rotated."""

    provider: ProviderName = Field(description="or an endpoint's name in the workers' configuration")
    scope: KeyScope = Field(
        KeyScope.USER, description="`user`: for the tasks that the caller asks for; the narrowest one counts"
    )
    project_id: str | None = Field(None, max_length=100, description="of the scope `project`")
    boxes: dict[SealingKey, Box] = Field(
        min_length=1,
        max_length=500,
        description="by a worker's public sealing key: a libsodium sealed box in base64, of the JSON object "
        '`{"provider": …, "key": …}`',
    )


class ProviderKey(Resource):
    id: str
    provider: str
    scope: KeyScope
    project_id: str | None
    sealed_to: list[str] = Field(description="public keys of the workers that can open it")
    created_at: datetime
    updated_at: datetime
