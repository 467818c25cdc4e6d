"""The log tells which task, execution and worker a line is about, and no secret."""

import json
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.coordinator import RunningCoordinator, WireWorker
from tests.system import System

IDS = ("correlation_id", "project_id", "task_id", "execution_id", "worker_id")


async def test_every_line_about_an_execution_carries_its_ids(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    with capture_logs(processors=[merge_contextvars]) as lines:
        grant = await worker.claim()
        await worker.deliver(grant)
    told = [line for line in lines if line["event"] in ("task granted", "worker reported")]
    expected = (grant.correlation_id, grant.project_id, grant.task.id, grant.execution_id, worker.id)
    assert {tuple(line.get(name) for name in IDS) for line in told} == {expected}
    assert [line.get("phase") or line.get("ended") for line in told[1:]] == [
        "prepare",
        "implement",
        "verify",
        "publish",
        "succeeded",
    ]


async def test_a_refused_report_is_not_logged_as_done_and_no_line_holds_a_secret(
    coordinator: RunningCoordinator,
) -> None:
    structlog.contextvars.clear_contextvars()
    with capture_logs(processors=[merge_contextvars]) as lines:
        worker = await coordinator.worker()
        await coordinator.task(await coordinator.project())
        grant = await worker.claim()
        await worker.finish(grant, fence=grant.fence + 1, reason="no_change")
    assert not [line for line in lines if line["event"] == "worker reported"]
    assert lines
    secrets = (coordinator.token, coordinator.enrolment, worker.http.headers["authorization"][7:])
    assert not [line for line in lines if any(secret in repr(line) for secret in secrets)]


async def test_what_a_caretaker_takes_back_is_named_and_nothing_after_it_is(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    tasks = [await coordinator.task(await coordinator.project()) for _ in range(2)]
    grants = [await worker.claim(), await worker.claim()]
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with coordinator.served.services.database.transaction() as connection:
            await connection.execute(text("UPDATE workers SET lease_expires_at = now() - interval '1 hour'"))
        for task in tasks:
            await coordinator.until_task(task["id"], "queued")
    told = [line for line in lines if line["event"] == "execution taken back"]
    assert {tuple(line.get(name) for name in IDS) for line in told} == {
        (one.correlation_id, one.project_id, one.task.id, one.execution_id, worker.id) for one in grants
    }


async def send_frame(worker: WireWorker, grant: Any) -> None:
    await worker.log(grant, b"words\n")


async def send_heartbeat(worker: WireWorker, _grant: Any) -> None:
    await worker.post("/heartbeat", b'{"executions": []}')


async def send_finish(worker: WireWorker, grant: Any) -> None:
    await worker.finish(grant, reason="no_change")


@pytest.mark.parametrize(
    ("send", "table", "known"),
    [
        (send_frame, "log_chunks", {*IDS, "phase"}),
        (send_heartbeat, "workers", {"worker_id"}),
        (send_finish, "events", set(IDS)),
    ],
)
async def test_a_fault_of_the_coordinator_tells_whom_it_hit(
    coordinator: RunningCoordinator, send: Any, table: str, known: set[str]
) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await coordinator.http.get("/api/v1/version")
    async with coordinator.served.services.database.transaction() as connection:
        # A rename makes the next statement fail in a way that nobody expected.
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO gone"))
    with capture_logs(processors=[merge_contextvars]) as lines:
        await send(worker, grant)
    faults = [line for line in lines if line["event"] == "unexpected error" and "/worker/" in line["path"]]
    assert faults, lines
    assert known <= faults[0].keys()


async def test_the_workers_own_lines_name_worker_execution_and_phase(system: System) -> None:
    repository = system.repository()
    await system.start_worker(log_json="true", log_level="debug")
    project = await system.project(repository, verify_commands=[["true"]])
    task = await system.ended(await system.task(project, "echo x > new.txt"))
    lines = [json.loads(line) for line in system.worker_log.splitlines() if line.startswith("{")]
    (worker,) = (await system.coordinator.get("/workers"))["items"]
    told = [line for line in lines if line["event"] in ("step begins", "execution ended")]
    phases = ["prepare", "implement", "verify", "publish"]
    assert [line["phase"] for line in told] == [*phases, "publish"]
    assert {(line["worker_id"], line["execution_id"]) for line in told} == {
        (worker["id"], task["execution_id"])
    }
    assert {(line["task_id"], line["project_id"], len(line["correlation_id"])) for line in told} == {
        (task["id"], project, 32)
    }
