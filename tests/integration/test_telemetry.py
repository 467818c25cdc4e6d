"""One trace over coordinator and worker, decoded by a receiver of ours; and none where nobody asked."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from pullyard.telemetry.tracer import NoTracer, open_tracer, root_of
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.otlp_receiver import Receiver, otlp_receiver
from tests.system import System

SECRET = "text-of-the-task"
PHASES = ["prepare", "implement", "verify", "publish"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as running:
        yield running


@pytest.fixture
async def coordinator(database_url: str, receiver: Receiver) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, otlp_endpoint=receiver.url) as running:
        yield running


async def test_an_execution_is_one_trace_over_both_processes(system: System, receiver: Receiver) -> None:
    repository = system.repository()
    await system.start_worker(otlp_endpoint=receiver.url)
    project = await system.project(repository, verify_commands=[["true"]])
    task = await system.ended(await system.task(project, f"echo {SECRET} > new.txt", title=SECRET))
    execution = await system.coordinator.get(f"/executions/{task['execution_id']}")
    await system.stop_worker()
    await asyncio.to_thread(receiver.until, {"execution", "queue", "claim", *PHASES, "workers.finish"})
    trace = [span for span in receiver.spans if span.trace_id == execution["correlation_id"]]
    (root,) = [span for span in trace if not span.parent_id]
    assert (root.name, root.service) == ("execution", "pullyard-coordinator")
    assert root.span_id == root_of(execution["correlation_id"]).split("-")[2]
    known = {span.span_id for span in trace}
    assert {span.parent_id for span in trace if span is not root} <= known
    steps = [span for span in trace if span.service == "pullyard-worker" and span.name in PHASES]
    assert [span.name for span in sorted(steps, key=lambda span: span.began)] == PHASES
    assert all(root.began <= span.began <= span.ended <= root.ended for span in steps)
    assert {span.attributes["pullyard.task_id"] for span in (root, *steps)} == {task["id"]}
    # What a person or a repository wrote is never in a span, and neither is a credential.
    assert not [raw for raw in receiver.raw if SECRET.encode() in raw or b"pyl_" in raw]


async def test_a_failed_execution_says_so_by_its_reason(
    coordinator: RunningCoordinator, receiver: Receiver
) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.finish(grant, reason="agent_failed", message=SECRET)
    await asyncio.to_thread(coordinator.served.services.tracer.close)
    (root,) = [span for span in receiver.until({"execution"}) if span.name == "execution"]
    assert (root.failed, root.attributes["error.type"]) == (True, "agent_failed")
    assert SECRET not in repr(root)


async def test_rubbish_in_place_of_a_traceparent_is_ignored(
    coordinator: RunningCoordinator, receiver: Receiver
) -> None:
    good = f"00-{'a' * 32}-{'b' * 16}-01"
    for value in ("", "x", "00-" + "g" * 32 + "-" + "b" * 16 + "-01", f"00-{'0' * 32}-{'b' * 16}-01", good):
        answer = await coordinator.http.get("/api/v1/projects", headers={"traceparent": value})
        assert answer.status_code == 200
    strangers = await coordinator.client().get("/api/v1/projects", headers={"traceparent": good})
    assert strangers.status_code == 401
    await asyncio.to_thread(coordinator.served.services.tracer.close)
    assert [span.trace_id for span in receiver.spans] == ["a" * 32]


async def test_a_collector_that_is_away_costs_nothing_but_the_traces(database_url: str) -> None:
    async with running_coordinator(database_url, otlp_endpoint="http://127.0.0.1:1") as coordinator:
        worker = await coordinator.worker()
        await coordinator.task(await coordinator.project())
        grant = await worker.claim()
        assert (await worker.finish(grant, reason="agent_failed")).status_code == 200


def test_nothing_of_opentelemetry_is_loaded_unless_somebody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert isinstance(open_tracer("test", None), NoTracer)
    words = (
        "import sys, pullyard.coordinator.server, pullyard.worker.run\n"
        "print('pullyard.telemetry.otlp' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_opentelemetrys_own_variable_turns_it_on(monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    tracer = open_tracer("test", None)
    tracer.record("step", root_of("c" * 32), (1.0, 2.0), {})
    tracer.close()
    assert [(span.service, span.name) for span in receiver.spans] == [("test", "step")]
