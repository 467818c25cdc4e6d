"""Every operation of the application's own OpenAPI document, asked by Schemathesis, rightly and wrongly."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from sqlalchemy import text

from tests.coordinator import RunningCoordinator

EXAMPLES = 4
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
# What would end the fuzzing itself, or has no end.
LEFT_OUT = ("/healthz", "/readyz", "/metrics")
quietly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


async def things(coordinator: RunningCoordinator) -> dict[str, Any]:
    """One thing of each kind, by the name of the path's parameter."""
    worker = await coordinator.worker()
    project_id = await coordinator.project(max_running=5)
    task = await coordinator.task(project_id)
    grant = await worker.claim()
    await worker.log(grant, b"line\n")
    await worker.deliver(grant)
    done = await coordinator.get(f"/tasks/{task['id']}")
    schedule = {"name": "s", "cron": "0 0 1 1 *", "task": {"title": "x"}}
    compared = {"title": "x", "candidates": [{"agent": {"name": "claude-code"}}] * 2}
    rule = {"name": "r", "task": {"title": "{data.x}"}}
    return {
        "project_id": project_id,
        "task_id": (await coordinator.task(project_id))["id"],
        "execution_id": grant.execution_id,
        "worker_id": worker.id,
        "change_id": done["change_id"],
        "schedule_id": (await coordinator.post(f"/projects/{project_id}/schedules", schedule))["id"],
        "rule_id": (await coordinator.post(f"/projects/{project_id}/event-rules", rule))["id"],
        "comparison_id": (await coordinator.post(f"/projects/{project_id}/comparisons", compared))["id"],
        "received_id": (await coordinator.post("/events", {"type": "t"}))["events"][0]["id"],
        "stream": "implement",
    }


def is_live(operation: Any) -> bool:
    answers = operation.definition.raw["responses"]
    return "text/event-stream" in answers.get("200", {}).get("content", {})


def without_patterns(document: Any) -> Any:
    """Most of its time went into texts that break a pattern; ``test_coordinator_fuzz`` has such texts."""
    if isinstance(document, list):
        return [without_patterns(one) for one in document]
    if not isinstance(document, dict):
        return document
    kept = {name: value for name, value in document.items() if name != "pattern" or isinstance(value, dict)}
    return {name: without_patterns(value) for name, value in kept.items()}


class Fuzzer:
    """Asks in a thread of its own, so that the coordinator goes on answering."""

    def __init__(self, url: str, token: str, known: dict[str, Any]) -> None:
        self._url = url
        self._known = known
        self._session = requests.Session()
        self._session.headers["authorization"] = f"Bearer {token}"
        self.statuses: Counter[int] = Counter()
        self.changed = 0

    def ask_all(self, document: dict[str, Any], mode: GenerationMode) -> int:
        """How many operations were asked."""
        found = schemathesis.openapi.from_dict(document).get_all_operations()
        operations = [one.ok() for one in found]
        asked = [one for one in operations if one.path not in LEFT_OUT and not is_live(one)]
        for operation in asked:
            self._ask(operation, mode)
        return len(asked)

    def _ask(self, operation: Any, mode: GenerationMode) -> None:
        names = [parameter.name for parameter in operation.path_parameters]
        known = {name: self._known[name] for name in names if name in self._known}

        @quietly
        @given(case=operation.as_strategy(generation_mode=mode, path_parameters=known or None))
        def ask(case: Any) -> None:
            (case.query or {}).pop("wait", None)
            self._check(case, case.call(base_url=self._url, session=self._session, timeout=30))

        # An operation that takes nothing can't be asked wrongly.
        with suppress(Unsatisfiable):
            ask()

    def _check(self, case: Any, answer: Any) -> None:
        said = f"{case.as_curl_command()}\n{answer.status_code} {answer.text[:500]}"
        self.statuses[answer.status_code] += 1
        assert answer.status_code < 500, said
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0] == "application/problem+json", said
            problem = answer.json()
            assert problem["code"], said
            assert len(problem["detail"]) > 10, said
        elif case.method.upper() in CHANGING and case.path.startswith("/api/v1/"):
            self.changed += "idempotency-replayed" not in answer.headers


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_operation_of_the_document_is_answered_with_a_fault(coordinator: RunningCoordinator) -> None:
    """And every change that was answered with success is on record, whichever route it was."""
    known = await things(coordinator)
    before = await entries(coordinator)
    fuzzer = Fuzzer(coordinator.url, coordinator.token, known)
    document = await coordinator.get("/openapi.json")
    rightly = await asyncio.to_thread(fuzzer.ask_all, document, GenerationMode.POSITIVE)
    wrongly = await asyncio.to_thread(fuzzer.ask_all, without_patterns(document), GenerationMode.NEGATIVE)
    assert rightly == wrongly > 70
    assert {200, 201, 404, 409, 422} <= set(fuzzer.statuses)
    assert await entries(coordinator) - before == fuzzer.changed > 30


async def entries(coordinator: RunningCoordinator) -> int:
    async with coordinator.served.services.database.transaction() as connection:
        return await connection.scalar(text("SELECT count(*) FROM audit_log"))
