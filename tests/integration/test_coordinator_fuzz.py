"""Requests made from the application's own schema, right and wrong: no 5xx, always a problem that helps."""

import json
import random
from typing import Any

import httpx

from tests.coordinator import RunningCoordinator

ROUNDS = 6
METHODS = ("get", "post", "patch", "delete")
TEXTS = ["", "x", "\x00", "\ud800", "é" * 600, "../..", "%00", "-1", "task_" + "0" * 26, "a/b", "🚜", "'; --"]
NUMBERS = [0, 1, -1, 2**31, 2**63, 10**30, 0.5, 1e300]
ANYTHING: list[Any] = [*TEXTS, *NUMBERS, None, True, [], {}, [[]], {"a": {"b": None}}]


class Maker:
    """Values for a schema; now and then something else."""

    def __init__(self, schemas: dict[str, Any], chance: random.Random) -> None:
        self.schemas = schemas
        self.chance = chance

    def value(self, schema: dict[str, Any], depth: int = 0) -> Any:
        if self.chance.random() < 0.1 or depth > 6:
            return self.chance.choice(ANYTHING)
        if "$ref" in schema:
            return self.value(self.schemas[schema["$ref"].rpartition("/")[2]], depth + 1)
        if "anyOf" in schema:
            return self.value(self.chance.choice(schema["anyOf"]), depth + 1)
        if "enum" in schema or "const" in schema:
            return self.chance.choice(schema.get("enum") or [schema["const"]])
        match schema.get("type"):
            case "object":
                return self.fields(schema, depth)
            case "array":
                return [self.value(schema["items"], depth + 1) for _ in range(self.chance.randrange(3))]
            case "integer" | "number":
                return self.chance.choice([*NUMBERS, schema.get("minimum", 1), schema.get("maximum", 5)])
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
            case _:
                return self.chance.choice(TEXTS)

    def fields(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        needed = schema.get("required", [])
        return {
            name: self.value(inner, depth + 1)
            for name, inner in schema.get("properties", {}).items()
            if name in needed or self.chance.random() < 0.4
        }


def quoted(value: Any) -> str:
    return "".join(f"%{byte:02x}" for byte in str(value).encode("utf-8", "surrogatepass")) or "x"


def assert_answer(answer: httpx.Response) -> None:
    content = answer.text[:500] if answer.is_closed and answer.status_code != 200 else ""
    said = (answer.request.method, answer.request.url, answer.request.content, content)
    assert answer.status_code < 500, said
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", said
        problem = answer.json()
        assert problem["code"], said
        assert len(problem["detail"]) > 10, said


async def test_no_request_by_the_schema_is_answered_with_a_fault(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    task_id = (await coordinator.task(project_id))["id"]
    known = {"project_id": project_id, "task_id": task_id, "stream": "implement"}
    document = await coordinator.get("/openapi.json")
    chance = random.Random(7)
    maker = Maker(document["components"]["schemas"], chance)
    asked = [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS and path != "/healthz"
    ]
    statuses = set()
    for method, path, operation in asked * ROUNDS:
        address, query = path, []
        for parameter in operation.get("parameters", []):
            value = maker.value(parameter["schema"])
            name = parameter["name"]
            if parameter["in"] == "path":
                value = known.get(name, value) if chance.random() < 0.7 else value
                address = address.replace("{" + name + "}", quoted(value))
            elif parameter["in"] == "query" and name != "wait" and value is not None:
                query.append(f"{name}={quoted(value)}")
        body = None
        if "requestBody" in operation:
            body = maker.value(operation["requestBody"]["content"]["application/json"]["schema"])
        # ASCII only, so that a lone surrogate travels as the escape that JSON allows.
        content = json.dumps(body).encode() if body is not None else None
        async with coordinator.http.stream(
            method,
            f"{address}?{'&'.join(query)}",
            content=content,
            headers={"content-type": "application/json"},
        ) as answer:
            # A live stream has no end.
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                await answer.aread()
        assert_answer(answer)
        statuses.add(answer.status_code)
    assert {200, 201, 404, 422} <= statuses


async def test_bodies_that_are_not_json_or_too_long_are_told_so(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    wrong = [b"", b"{", b"\xff\xfe", b"null", b"[" * 5000, b"1e999", b'{"a":NaN}', b'"\\ud800"']
    for content in wrong:
        for call in ("/heartbeat", "/claim", "/connect", "/executions/x/phase", "/executions/x/finish"):
            assert_answer(await worker.post(call, content))
        for path in ("/projects", "/tokens", "/session"):
            answer = await coordinator.http.post("/api/v1" + path, content=content)
            assert_answer(answer)
            assert answer.status_code >= 400
    long = await coordinator.http.post("/api/v1/projects", content=b" " * (2**20 + 1))
    assert (long.status_code, long.json()["code"]) == (413, "body-too-long")
    assert "1048576" in long.json()["detail"]
