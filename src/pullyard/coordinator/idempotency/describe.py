"""What OpenAPI says of the keys: on every change that takes one, and on no other."""

from typing import Any

from fastapi import FastAPI

from pullyard.coordinator.idempotency.layer import CHANGING, PREFIX, SECRET_ANSWERS
from pullyard.coordinator.idempotency.stored import KEY_CHARACTERS

_HEADER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request happens once; the first answer is given again.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": KEY_CHARACTERS,
        "pattern": "^[ -~]+$",
        "title": "Idempotency-Key",
    },
}


def takes_key(method: str, path: str) -> bool:
    return method.upper() in CHANGING and path.startswith(PREFIX) and not SECRET_ANSWERS.fullmatch(path)


def describe_keys(app: FastAPI) -> None:
    """The layer reads the header, so no route of the application names it."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            for path, item in document["paths"].items():
                for method, operation in item.items():
                    if takes_key(method, path):
                        operation.setdefault("parameters", []).append(_HEADER)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi
