"""Tasks asked for over the WebSocket: the same as over HTTP."""

from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection

from tests.coordinator import RunningCoordinator
from tests.live import hear, listening, say, subscribe


async def ask(socket: ClientConnection, project_id: str, task: Any, **fields: Any) -> dict[str, Any]:
    await say(socket, "create-task", **{"request_id": "r", "project_id": project_id, "task": task, **fields})
    return await hear(socket)


async def test_a_task_is_made_and_told_of(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    worker = await coordinator.worker()
    async with listening(coordinator) as socket:
        answer = await ask(socket, project_id, {"title": "Mend it", "priority": 3}, request_id="first")
        assert (answer["type"], answer["request_id"]) == ("task-created", "first")
        assert answer["task"] == await coordinator.get(f"/tasks/{answer['task']['id']}")
        assert (await worker.claim()).task.id == answer["task"]["id"]


async def test_what_http_refuses_is_refused_in_the_same_words(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("proj_nobodys", {"title": "x"}),
        (project_id, {"title": "x", "depends_on": ["task_nobodys"]}),
        (project_id, {"title": "x", "base_branch": "-x"}),
        (project_id, {"title": "x", "agent": {"name": "nobody", "settings": {}}}),
    ]
    async with listening(coordinator) as socket:
        for project, task in wrong:
            answer = await ask(socket, project, task)
            refusal = (await coordinator.http.post(f"/api/v1/projects/{project}/tasks", json=task)).json()
            assert (answer["type"], answer["request_id"]) == ("error", "r")
            assert (answer["code"], answer["message"]) == (refusal["code"], refusal["detail"])
        for task in ({}, {"title": ""}, {"title": "x", "more": 1}, {"title": "\0"}, "x"):
            assert (await ask(socket, project_id, task))["code"] == "invalid-message"
    assert (await coordinator.get("/tasks"))["items"] == []


async def test_a_key_makes_one_task_however_often_and_over_whichever_connection(
    coordinator: RunningCoordinator,
) -> None:
    project_id, key = await coordinator.project(), uuid4().hex
    made = []
    for _ in range(2):
        async with listening(coordinator) as socket:
            for _ in range(2):
                made.append(await ask(socket, project_id, {"title": "once"}, idempotency_key=key))
    assert len({answer["task"]["id"] for answer in made}) == 1
    assert len((await coordinator.get("/tasks"))["items"]) == 1
    async with listening(coordinator) as socket:
        answer = await ask(socket, project_id, {"title": "another"}, idempotency_key=key)
        assert answer["code"] == "idempotency-key-reused"


async def test_a_key_over_http_is_the_same_key(coordinator: RunningCoordinator) -> None:
    project_id, key = await coordinator.project(), uuid4().hex
    async with listening(coordinator) as socket:
        made = await ask(socket, project_id, {"title": "once"}, idempotency_key=key)
    headers = {"idempotency-key": key}
    again = await coordinator.http.post(
        f"/api/v1/projects/{project_id}/tasks", json={"title": "once"}, headers=headers
    )
    assert again.json().get("id") == made["task"]["id"] or again.status_code == 422
    assert len((await coordinator.get("/tasks"))["items"]) == 1


async def test_who_asked_is_on_record(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    async with listening(coordinator) as socket:
        made = await ask(socket, project_id, {"title": "x"})
    entries = (await coordinator.get("/audit"))["items"]
    assert made["task"]["id"] in [entry["target"] for entry in entries]


async def test_a_snapshot_and_the_events_of_one_task(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    task, other = await coordinator.task(project_id), await coordinator.task(project_id)
    async with listening(coordinator) as socket:
        await subscribe(socket, "subscribe-events", task_id=task["id"], snapshot=True)
        snapshot = await hear(socket)
        assert (snapshot["type"], snapshot["task"]["id"]) == ("snapshot", task["id"])
        for one in (other, task):
            answer = await coordinator.http.post(f"/api/v1/tasks/{one['id']}/cancel")
            assert answer.status_code == 200
        assert (await hear(socket))["task_id"] == task["id"]
        told = await subscribe(
            socket, "subscribe-events", id="two", project_ids=[project_id], snapshot=True, cursor=0
        )
        assert told["cursor"] == 0
        assert [one["id"] for one in (await hear(socket))["projects"]] == [project_id]


async def test_what_is_unknown_or_nobodys_is_not_followed(coordinator: RunningCoordinator) -> None:
    async with listening(coordinator) as socket:
        for wish in ({"project_id": "proj_x"}, {"project_ids": ["proj_x"]}, {"task_id": "t"}):
            assert (await subscribe(socket, "subscribe-events", **wish))["code"] == "not-found"
        wish = {"execution_id": "e", "task_id": "t"}
        assert (await subscribe(socket, "subscribe-events", **wish))["code"] == "invalid-message"
        assert (await subscribe(socket, "subscribe-events", cursor=2**62))["code"] == "cursor-ahead"
        # Its id is free again.
        assert (await subscribe(socket, "subscribe-events"))["type"] == "subscribed"
