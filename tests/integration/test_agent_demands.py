"""A task goes to a worker that has its agent's program."""

from tests.coordinator import RunningCoordinator

CODEX = {"name": "codex"}


async def test_a_projects_agent_waits_for_a_worker_that_has_it(coordinator: RunningCoordinator) -> None:
    without = await coordinator.worker()
    project_id = await coordinator.project(agent=CODEX)
    task = await coordinator.task(project_id)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == ["agent=codex"]
    assert not (await without.poll(wait=0.2)).grants
    answer = await coordinator.http.patch(f"/api/v1/projects/{project_id}", json={"agent": {"name": "demo"}})
    assert answer.json()["labels"] == []
    assert (await without.claim()).task.id == task["id"]


async def test_a_tasks_own_agent_waits_for_a_worker_that_has_it(coordinator: RunningCoordinator) -> None:
    without = await coordinator.worker()
    task = await coordinator.task(await coordinator.project(), agent={"name": "claude-code"}, labels=["x"])
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == ["x"]
    wish = {"agent": CODEX, "labels": []}
    assert (await coordinator.http.patch(f"/api/v1/tasks/{task['id']}", json=wish)).status_code == 200
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == ["agent=codex"]
    assert not (await without.poll(wait=0.2)).grants
    having = await coordinator.worker("agent=codex")
    assert (await having.claim()).agent.name == "codex"
