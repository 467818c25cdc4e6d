"""The log tells which task, execution and worker a line is about, and no secret."""

import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from tests.coordinator import RunningCoordinator

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
