"""The AsyncAPI 3 document of the live stream, made from the models of its messages."""

import inspect
from functools import cache
from typing import Any, get_args

from fastapi import APIRouter
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from starlette.responses import JSONResponse

from pullyard import __version__
from pullyard.protocol import stream

router = APIRouter(prefix="/api/v1", tags=["stream"])

ADDRESS = "/api/v1/stream"
SAID_BY_CLIENTS: tuple[type[BaseModel], ...] = (
    stream.SubscribeEvents,
    stream.SubscribeLog,
    stream.Unsubscribe,
    stream.CreateTask,
    stream.Ping,
    stream.Pong,
)
SAID_BY_THE_SERVER: tuple[type[BaseModel], ...] = (
    stream.Subscribed,
    stream.Snapshot,
    stream.ExecutionUpdate,
    stream.ExecutionLog,
    stream.Completion,
    stream.TaskCreated,
    stream.StreamError,
    stream.Ping,
    stream.Pong,
)
ANSWERS = {
    "subscribe-events": ["subscribed", "snapshot", "error"],
    "subscribe-log": ["subscribed", "error"],
    "create-task": ["task-created", "error"],
    "ping": ["pong"],
}
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "session": {"type": "httpApiKey", "in": "cookie", "name": "pullyard_session"},
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "From POST /api/v1/stream/ticket; good for one connection within half a minute.",
    },
}


@router.get("/asyncapi.json", include_in_schema=False)
async def show() -> JSONResponse:
    return JSONResponse(document())


@cache
def document() -> dict[str, Any]:
    """What the client says is received by the application that this describes, the coordinator."""
    models = dict.fromkeys((*SAID_BY_CLIENTS, *SAID_BY_THE_SERVER))
    _, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=GenerateJsonSchema,
    )
    names = {kind: model for model in models for kind in types_of(model)}
    security = [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pullyard's live stream",
            "version": __version__,
            "description": "One WebSocket for events, logs and new tasks. Every message is a JSON text.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "coordinator": {
                "host": "{host}",
                "protocol": "wss",
                "variables": {"host": {"default": "localhost:7420"}},
                "security": security,
            }
        },
        "channels": {
            "stream": {
                "address": ADDRESS,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {**received(), **sent()},
        "components": {
            "messages": {name: message(name, model) for name, model in names.items()},
            "schemas": definitions["$defs"],
            "securitySchemes": SECURITY,
        },
    }


def types_of(model: type[BaseModel]) -> tuple[str, ...]:
    """An event's message has a type for each thing that it may be about."""
    return get_args(model.model_fields["type"].annotation)


def message(name: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    fixed = {"properties": {"type": {"const": name}}, "required": ["type"]}
    return {"name": name, "summary": summary_of(model), "payload": {"allOf": [schema, fixed]}}


def summary_of(model: type[BaseModel]) -> str:
    return inspect.cleandoc(vars(model).get("__doc__") or "").replace("``", "`").partition("\n\n")[0]


def received() -> dict[str, Any]:
    """One operation a message, with what it is answered by."""
    operations: dict[str, Any] = {}
    for name in (kind for model in SAID_BY_CLIENTS for kind in types_of(model)):
        operations[f"take-{name}"] = {
            "action": "receive",
            "channel": {"$ref": "#/channels/stream"},
            "messages": [reference(name)],
        }
        if name in ANSWERS:
            operations[f"take-{name}"]["reply"] = {
                "channel": {"$ref": "#/channels/stream"},
                "messages": [reference(answer) for answer in ANSWERS[name]],
            }
    return operations


def sent() -> dict[str, Any]:
    names = (kind for model in SAID_BY_THE_SERVER for kind in types_of(model))
    return {
        "tell": {
            "action": "send",
            "channel": {"$ref": "#/channels/stream"},
            "messages": [reference(name) for name in names],
        }
    }


def reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/stream/messages/{name}"}
