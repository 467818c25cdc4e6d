"""An HTTP request becomes events: CloudEvents 1.0, structured, binary or in a batch, and plain JSON."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import msgspec
from pydantic import ValidationError

from pullyard.protocol.errors import RequestError
from pullyard.protocol.intake import Event, PlainEvent

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
PLAIN = "application/json"
BATCH_EVENTS = 100
_PREFIX = "ce-"


def read_events(headers: Mapping[str, str], body: bytes) -> list[Event]:
    """Raises RequestError: 415 for another kind of content, 400 for no JSON, 422 for what is no event."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == BATCH:
        return read_batch(parse(body))
    if kind == STRUCTURED:
        return [checked(Event, parse(body))]
    if any(name.startswith(_PREFIX) for name in headers):
        return [read_binary(headers, kind, body)]
    if kind == PLAIN:
        event = checked(PlainEvent, parse(body))
        return [event if event.id else event.model_copy(update={"id": uuid4().hex})]
    raise RequestError(
        f"Send an event as {PLAIN}, {STRUCTURED} or {BATCH}, or with `ce-` headers.",
        code="unsupported-media-type",
        status=415,
    )


def read_batch(content: Any) -> list[Event]:
    if not isinstance(content, list) or len(content) > BATCH_EVENTS:
        raise RequestError(f"A batch is a list of at most {BATCH_EVENTS} events.")
    return [checked(Event, one) for one in content]


def read_binary(headers: Mapping[str, str], kind: str, body: bytes) -> Event:
    """The attributes are headers, and the data is the body."""
    attributes: dict[str, Any] = {
        name.removeprefix(_PREFIX): unquote(value)
        for name, value in headers.items()
        if name.startswith(_PREFIX)
    }
    if kind:
        attributes["datacontenttype"] = headers["content-type"]
    if not body:
        return checked(Event, attributes)
    if kind == PLAIN or kind.endswith("+json"):
        return checked(Event, {**attributes, "data": parse(body)})
    try:
        return checked(Event, {**attributes, "data": body.decode()})
    except UnicodeDecodeError:
        return checked(Event, {**attributes, "data_base64": base64.b64encode(body).decode()})


def parse(body: bytes) -> Any:
    """Strictly: no NaN, no half of a surrogate. Raises RequestError."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError("The event can't be read as JSON.", code="malformed", status=400) from error


def checked(shape: type[Event], content: Any) -> Event:
    try:
        return shape.model_validate(content)
    except (ValidationError, RecursionError) as error:
        raise RequestError(f"This is no event: {first_fault(error)}.") from error


def first_fault(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])[:100]
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}" if place else said
