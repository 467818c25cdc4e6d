"""What /metrics tells: facts of this replica, the state of the installation, and to whom."""

import json

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from tests.coordinator import RunningCoordinator, running_coordinator

TOKEN = "for-the-scraper-alone"


class Samples:
    """``value`` of a sample by its name and labels; 0 where there is none."""

    def __init__(self, text: str) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return self._values.get((f"pullyard_{name}", frozenset(labels.items())), 0.0)


async def scrape(coordinator: RunningCoordinator) -> Samples:
    answer = await coordinator.http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return Samples(answer.text)


async def test_an_execution_is_counted_with_its_times_and_its_costs(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.log(grant, b"x" * 1000)
    await worker.walk(grant, "prepare", "implement")
    finished = await worker.finish(
        grant,
        reason="agent_failed",
        phase_seconds={"prepare": 0.25, "implement": 12.0, "made-up": 1.0},
        usage={"input_tokens": 70, "output_tokens": 7, "cost_micros": 1_500_000},
        facts={"sandbox_start_ms": 30},
    )
    assert finished.status_code == 200, finished.text
    told = await scrape(coordinator)
    assert told.value("queue_latency_seconds_count") == 1
    assert told.value("claim_grants_sum") == 1
    assert told.value("claim_seconds_count") >= 1
    assert told.value("executions_total", state="failed", reason="agent_failed") == 1
    assert told.value("phase_seconds_sum", phase="implement") == 12.0
    assert told.value("phase_seconds_count", phase="other") == 1
    assert told.value("sandbox_start_seconds_sum") == 0.03
    assert told.value("tokens_total", direction="input") == 70
    assert told.value("cost_dollars_total") == 1.5
    assert told.value("log_bytes_total", form="raw") == 1000
    assert 0 < told.value("log_bytes_total", form="stored") < 100
    assert told.value("heartbeats_total") == 1


async def test_an_end_that_was_refused_or_came_again_is_not_counted(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    assert (await worker.finish(grant, fence=grant.fence + 1, reason="agent_failed")).status_code == 409
    for _ in range(2):
        assert (await worker.finish(grant, reason="agent_failed")).status_code == 200
    told = await scrape(coordinator)
    assert told.value("executions_total", state="failed", reason="agent_failed") == 1


async def test_the_state_of_queue_workers_and_process_is_told(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker(slots=3)
    project = await coordinator.project()
    for _ in range(3):
        await coordinator.task(project)
    await worker.claim()
    told = await scrape(coordinator)
    assert told.value("tasks_queued", automation="running") == 2
    assert told.value("tasks_claimable") == 0
    assert told.value("executions_running", automation="running") == 1
    assert told.value("projects", automation="running") == 1
    assert told.value("workers", state="busy") == 1
    assert told.value("worker_slots", state="busy") == 3
    assert told.value("database_up") == 1
    assert told.value("bus_connected") == 1
    assert told.value("loop_up", loop="dispatcher") == 1
    assert told.value("feed_lag_events") == 0
    assert told.value("project_queued", project_id=project) == 0


async def test_who_listens_and_how_soon_is_told(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project = await coordinator.project()
    await coordinator.task(project)
    grant = await worker.claim()
    url = coordinator.url.replace("http", "ws", 1) + "/api/v1/stream"
    async with connect(url, additional_headers={"authorization": f"Bearer {coordinator.token}"}) as socket:
        log = {
            "type": "subscribe-log",
            "id": "log",
            "execution_id": grant.execution_id,
            "stream": "implement",
        }
        for wish in ({"type": "subscribe-events", "id": "events"}, {**log, "stream": "implement"}):
            await socket.send(json.dumps(wish))
            while json.loads(await socket.recv())["type"] != "subscribed":
                pass
        await coordinator.task(project)
        while json.loads(await socket.recv())["type"] != "task-update":
            pass
        told = await scrape(coordinator)
    assert (told.value("sockets"), told.value("subscriptions"), told.value("log_watchers")) == (1, 2, 1)
    assert told.value("feed_delivery_seconds_count") >= 1


async def test_projects_are_told_apart_only_on_request_and_only_while_they_are_few(database_url: str) -> None:
    async with running_coordinator(database_url, metrics_projects=1) as coordinator:
        first = await coordinator.project()
        await coordinator.task(first)
        assert (await scrape(coordinator)).value("project_queued", project_id=first) == 1
    async with running_coordinator(database_url, metrics_projects=1) as coordinator:
        await coordinator.project()
        assert (await scrape(coordinator)).value("project_queued", project_id=first) == 0


async def test_metrics_are_for_the_owner_and_for_the_scraper(database_url: str) -> None:
    async with running_coordinator(database_url, metrics_token=TOKEN) as coordinator:
        worker = await coordinator.worker()
        worker_credential = worker.http.headers["authorization"][7:]
        for secret, status in (
            (TOKEN, 200),
            (coordinator.token, 200),
            (None, 401),
            ("töken", 401),
            (coordinator.enrolment, 401),
            (worker_credential, 401),
        ):
            headers = [(b"authorization", f"Bearer {secret}".encode())] if secret is not None else []
            answer = await coordinator.client().get("/metrics", headers=httpx.Headers(headers))
            assert answer.status_code == status, secret
        # The scraper's token opens nothing else.
        assert (await coordinator.client(TOKEN).get("/api/v1/projects")).status_code == 401


async def test_metrics_are_for_everybody_where_that_is_wished(database_url: str) -> None:
    async with running_coordinator(database_url, metrics_public=True) as coordinator:
        answer = await coordinator.client().get("/metrics")
        assert answer.status_code == 200
        assert coordinator.token not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/projects", "/nowhere/at/all"])
async def test_requests_are_counted_by_their_route(coordinator: RunningCoordinator, path: str) -> None:
    await coordinator.http.get(path)
    told = await scrape(coordinator)
    endpoint, code = ("projects.list_all", "200") if "projects" in path else ("none", "404")
    assert told.value("http_requests_total", endpoint=endpoint, code=code) == 1
