"""Tasks: found by number, waiting for each other, edited only as they were read."""

from tests.coordinator import RunningCoordinator


async def test_a_task_is_found_by_its_number(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    tasks = [await coordinator.task(project_id) for _ in range(3)]
    found = (await coordinator.get(f"/tasks?project_id={project_id}&number=2"))["items"]
    assert [one["id"] for one in found] == [tasks[1]["id"]]
    assert (await coordinator.get(f"/tasks?project_id={project_id}&number=9"))["items"] == []


async def test_a_failed_task_fails_what_waits_for_it(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    first = await coordinator.task(project_id)
    second = await coordinator.task(project_id, depends_on=[first["id"]])
    third = await coordinator.task(project_id, depends_on=[first["id"], second["id"]])
    await coordinator.post(f"/tasks/{first['id']}/cancel", status=200)
    ended = [await coordinator.get(f"/tasks/{one['id']}") for one in (second, third)]
    assert [one["state"] for one in ended] == ["failed", "failed"]


async def test_a_stale_edit_is_refused(coordinator: RunningCoordinator) -> None:
    path = f"/api/v1/tasks/{(await coordinator.task(await coordinator.project()))['id']}"
    tag = {"if-match": (await coordinator.http.get(path)).headers["etag"]}
    assert (await coordinator.http.patch(path, json={"title": "a"}, headers=tag)).status_code == 200
    stale = await coordinator.http.patch(path, json={"title": "b"}, headers=tag)
    assert (stale.status_code, stale.json()["code"]) == (412, "edit-conflict")


async def test_an_edit_takes_no_more_than_a_new_task_or_project(coordinator: RunningCoordinator) -> None:
    """Else what is made of the task later, such as its review's response, could not be made."""
    project_id = await coordinator.project()
    task = await coordinator.task(project_id)
    limits = {"acceptance_criteria": 100, "target_files": 1000, "labels": 50}
    for field, most in limits.items():
        answer = await coordinator.http.patch(f"/api/v1/tasks/{task['id']}", json={field: ["x"] * (most + 1)})
        assert answer.status_code == 422, field
    for address in (f"tasks/{task['id']}", f"projects/{project_id}"):
        answer = await coordinator.http.patch(f"/api/v1/{address}", json={"verify_commands": [["true"]] * 51})
        assert answer.status_code == 422, address
