"""Devices that are told of events while no page is open, by Web Push (RFC 8030)."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pullyard.protocol.fields import Input, Name, Resource

PushedEvent = Literal[
    "execution.waiting_input",
    "change.needs-person",
    "change.open",
    "comparison.ready",
    "task.failed",
    "automation.halted",
    "automation.escalated",
    "worker.quarantined",
    "worker.offline",
    "budget.near",
    "budget.spent",
]
"""What people may want to be told of on a device; of the rest there is too much."""

Endpoint = Annotated[str, StringConstraints(max_length=1000, pattern=r"^https?://[\x21-\x7e]+$")]


class PushDeviceInput(Input):
    """As a browser's ``PushSubscription`` has it."""

    endpoint: Endpoint = Field(description="where its push service takes messages for it")
    p256dh: Annotated[str, StringConstraints(min_length=87, max_length=88, pattern=r"^[A-Za-z0-9_-]{87}=?$")]
    auth: Annotated[str, StringConstraints(min_length=22, max_length=24, pattern=r"^[A-Za-z0-9_-]{22}=?=?$")]
    name: Name = Field(description="what its owner knows it by")
    events: list[PushedEvent] = Field(max_length=20)


class PushDevice(Resource):
    id: str
    endpoint: str
    name: str
    events: list[PushedEvent]
    problem: str = Field(description="what became of the newest message; empty: it was taken")
    delivered_at: datetime | None
    created_at: datetime


class Push(Resource):
    public_key: str = Field(description="the `applicationServerKey` of this installation")
    devices: list[PushDevice] = Field(description="yours, newest first, as long as their logins last")
