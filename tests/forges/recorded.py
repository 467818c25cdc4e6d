"""Requests and answers held to shapes that were written down from a forge's published description."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.forges.server import Asked, ForgeServer, Refused

Handler = Callable[[ForgeServer, Asked, list[str]], tuple[int, Any]]
Shape = Mapping[str, type | tuple[type, ...]]
"""The types of the fields that there are; a list or an object is not looked into any further."""


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    handler: Handler
    query: frozenset[str] = frozenset()
    body: Shape = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    """Of the body."""
    answer: Shape | None = None
    """Of the answer, or of each thing in a list of them."""


def answerer(prefix: str, routes: list[Route]) -> Callable[[ForgeServer, Asked], tuple[int, Any]]:
    def answer(server: ForgeServer, asked: Asked) -> tuple[int, Any]:
        path = asked.path.removeprefix(prefix)
        for route in routes:
            match = re.fullmatch(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(route.template)), path)
            if match and route.method == asked.method:
                return held(server, route, asked, list(match.groups()))
        server.wrong.append(f"{asked.method} {path} is no operation")
        return 404, {"message": "Not Found"}

    return answer


def held(server: ForgeServer, route: Route, asked: Asked, values: list[str]) -> tuple[int, Any]:
    name = f"{route.method} {route.template}"
    server.wrong += [f"{name} has no query {one}" for one in asked.query.keys() - route.query]
    given = asked.body or {}
    server.wrong += [f"{name}: {one}" for one in misfits(route.body, given)]
    server.wrong += [f"{name} needs {one}" for one in route.needed - given.keys()]
    try:
        status, answer = route.handler(server, asked, values)
    except Refused as refusal:
        return refusal.status, refusal.body
    if route.answer is not None:
        for one in answer if isinstance(answer, list) else [answer]:
            server.wrong += [f"{name} answers: {wrong}" for wrong in misfits(route.answer, one)]
    return status, answer


def misfits(shape: Shape, value: Mapping[str, Any]) -> list[str]:
    strange = [f"there is no {name}" for name in value.keys() - shape.keys()]
    wrong = [name for name, one in value.items() if name in shape and not isinstance(one, shape[name])]
    return strange + [f"{name} is a {type(value[name]).__name__}" for name in wrong]


def paged(items: list[Any], asked: Asked, size: str) -> list[Any]:
    page, limit = int(asked.query.get("page", 1)), int(asked.query[size])
    asked.last = max(1, -(-len(items) // limit))
    return items[(page - 1) * limit : page * limit]
