"""What a project demands of the sandbox decides which worker gets its tasks."""

import pytest

from pullyard.protocol.isolation import Level
from tests.coordinator import RunningCoordinator

HARDENED = {"sandbox": {"backend": "docker", "level": "hardened"}}


async def test_an_unmet_level_shows_at_once_and_is_met_by_a_new_worker(
    coordinator: RunningCoordinator,
) -> None:
    weak = await coordinator.worker("sandbox=docker", "level=isolated")
    project_id = await coordinator.project(isolation=HARDENED)
    task = await coordinator.task(project_id)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == ["level=hardened"]
    assert not (await weak.poll(wait=0.2)).grants
    strong = await coordinator.worker("sandbox=docker", "level=isolated", "level=hardened")
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == []
    grant = await strong.claim()
    sandbox = grant.isolation.sandbox
    assert (grant.task.id, sandbox.backend, sandbox.level) == (task["id"], "docker", Level.HARDENED)


async def test_a_demand_taken_back_frees_the_queued_tasks(coordinator: RunningCoordinator) -> None:
    weak = await coordinator.worker("linux", "sandbox=bubblewrap", "level=isolated")
    project_id = await coordinator.project(isolation=HARDENED, labels=["linux"])
    task = await coordinator.task(project_id)
    wish = {"isolation": {"sandbox": {"level": "isolated"}}}
    answer = await coordinator.http.patch(f"/api/v1/projects/{project_id}", json=wish)
    assert answer.json()["labels"] == ["level=isolated", "linux"], answer.text
    assert (await weak.claim()).task.id == task["id"]


@pytest.mark.parametrize(
    "sandbox",
    [{"level": "perfect"}, {"backend": "chroot"}, {"cpus": 0}, {"memory_bytes": 1}, {"image": "-v"}],
)
async def test_what_no_sandbox_could_be_is_refused(
    coordinator: RunningCoordinator, sandbox: dict[str, object]
) -> None:
    wish = {"name": "x", "repository": "/srv/x.git", "isolation": {"sandbox": sandbox}}
    assert (await coordinator.http.post("/api/v1/projects", json=wish)).status_code == 422
