"""What a forge tells us through a webhook, and what came of it."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from pullyard.protocol.fields import Input, Resource

WebhookForge = Literal["github", "gitlab", "gitea", "bitbucket"]
SHOWN_DELIVERIES = 20


class Verdict(StrEnum):
    """What came of a delivery."""

    TASK = "task"
    """A task was made, or the one of this issue was there already."""
    RESPONSE = "response"
    """A task that goes on with the change."""
    LOOK = "look"
    """A worker is asked to look at the change."""
    IGNORED = "ignored"
    REFUSED = "refused"
    """It is not about this project's repository, or can't be read."""


EFFECTIVE = frozenset({Verdict.TASK, Verdict.RESPONSE, Verdict.LOOK})
"""The same delivery has none of these effects twice."""


class WebhookInput(Input):
    forge: WebhookForge | None = Field(
        None, description="whose webhook it is; null: as the project says, or told by the repository's host"
    )


class WebhookDelivery(Resource):
    id: str
    event: str = Field(description="as the forge calls it")
    verdict: Verdict
    why: str
    task_id: str | None
    change_id: str | None
    times: int = Field(description="how often the same content came; it had its effect once")
    received_at: datetime


class Webhook(Resource):
    id: str
    project_id: str
    forge: WebhookForge
    url: str = Field(description="where the forge is to send its events")
    secret: str | None = Field(
        None, description="shown once, when it is made; to change it, make another one"
    )
    events: list[str] = Field(description="what to tick at the forge")
    refused: int = Field(
        description="requests without a valid signature; counted once in ten seconds at most"
    )
    refused_at: datetime | None
    deliveries: list[WebhookDelivery] = Field(description=f"the newest {SHOWN_DELIVERIES}, newest first")
    created_at: datetime
