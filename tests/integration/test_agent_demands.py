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


async def test_what_an_agents_options_name_is_needed_too(coordinator: RunningCoordinator) -> None:
    node = {
        "name": "polish",
        "kind": "agent",
        "after": "implement",
        "settings": {"prompt": "x", "agent": CODEX},
    }
    agent = {"name": "opencode", "settings": {"model": "openai/qwen3", "endpoint": "cluster"}}
    project_id = await coordinator.project(agent=agent, labels=["gpu"], workflow_nodes=[node])
    labels = (await coordinator.get(f"/projects/{project_id}"))["labels"]
    assert {"agent=codex", "agent=opencode", "endpoint=cluster", "gpu"} <= {*labels}
    patch = {"agent": {"name": "demo"}, "workflow_nodes": []}
    answer = await coordinator.http.patch(f"/api/v1/projects/{project_id}", json=patch)
    assert answer.json()["labels"] == ["gpu"]
    own = {"name": "acp", "settings": {"program": "gemini", "endpoint": "cluster"}}
    task = await coordinator.task(project_id, agent=own)
    unmet = (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"]
    assert unmet == ["agent=acp", "agent=gemini", "endpoint=cluster", "gpu"]
    without = await coordinator.worker("agent=acp", "agent=gemini", "gpu")
    assert not (await without.poll(wait=0.2)).grants
    having = await coordinator.worker("agent=acp", "agent=gemini", "endpoint=cluster", "gpu")
    assert (await having.claim()).task.id == task["id"]
