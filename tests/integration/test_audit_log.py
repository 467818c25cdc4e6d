"""Whatever a person changes is on record, in the same transaction."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.coordinator import RunningCoordinator


async def entries(coordinator: RunningCoordinator, query: str = "") -> list[dict[str, Any]]:
    return (await coordinator.get(f"/audit?limit=200&{query}"))["items"]


async def test_who_did_what_is_shown_newest_first(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    task = await coordinator.task(project_id, priority=3)
    await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    await coordinator.http.delete(f"/api/v1/projects/{project_id}")
    found = await entries(coordinator)
    assert [one["action"] for one in found] == [
        "POST /api/v1/tasks/{task_id}/cancel",
        "POST /api/v1/projects/{project_id}/tasks",
        "POST /api/v1/projects",
    ]
    assert [one["target"] for one in found] == [task["id"], task["id"], project_id]
    owner = coordinator.served.services.owner.member_id
    assert {one["member_id"] for one in found} == {owner}
    assert all(one["request_id"] and one["address"] == "127.0.0.1" for one in found)
    assert found[1]["details"]["fields"] == ["priority", "title"]
    assert found[1]["project_id"] == project_id


async def test_the_log_is_filtered_and_paged(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    tasks = [await coordinator.task(project_id) for _ in range(3)]
    assert len(await entries(coordinator, f"project_id={project_id}")) == 3
    assert [one["target"] for one in await entries(coordinator, f"target={tasks[1]['id']}")] == [
        tasks[1]["id"]
    ]
    assert len(await entries(coordinator, "action=POST /api/v1/projects")) == 1
    assert await entries(coordinator, "since=2999-01-01T00:00:00Z") == []
    assert len(await entries(coordinator, "until=2999-01-01T00:00:00Z")) == 4
    assert await entries(coordinator, "member_id=mem_x") == []
    first = await coordinator.get("/audit?limit=3")
    rest = await coordinator.get(f"/audit?limit=3&cursor={first['next']}")
    assert len(first["items"] + rest["items"]) == 4
    assert rest["next"] is None


async def test_no_value_that_was_sent_is_kept(coordinator: RunningCoordinator) -> None:
    body = {
        "name": "p",
        "repository": "/r.git",
        "agent": {"name": "command", "settings": {"command": "s3cret"}},
    }
    await coordinator.post("/projects", body)
    token = await coordinator.post("/tokens", {"name": "my-token"})
    said = str(await entries(coordinator))
    assert "s3cret" not in said
    assert token["secret"] not in said
    assert token["id"] in said


async def test_a_refused_change_and_a_replayed_one_are_not_on_record(coordinator: RunningCoordinator) -> None:
    body = {"name": "p", "repository": "/r.git"}
    for _ in range(2):
        await coordinator.http.post("/api/v1/projects", json=body, headers={"idempotency-key": "k"})
    again = await coordinator.http.post("/api/v1/projects", json=body)
    assert again.status_code == 409
    assert len(await entries(coordinator)) == 1


async def test_a_login_and_its_end_are_on_record(coordinator: RunningCoordinator) -> None:
    link = (await coordinator.served.login_url()).partition("token=")[2]
    browser = coordinator.client()
    await browser.post("/api/v1/session", json={"link_token": link})
    await browser.delete("/api/v1/session", headers={"origin": coordinator.url})
    found = await entries(coordinator)
    assert [one["action"] for one in found] == ["DELETE /api/v1/session", "POST /api/v1/session"]
    assert len({one["credential_id"] for one in found}) == 1


async def test_deed_and_entry_are_one_transaction(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(text("ALTER TABLE audit_log ADD CHECK (details IS NULL) NOT VALID"))
    failed = await coordinator.http.patch(f"/api/v1/projects/{project_id}", json={"name": "new"})
    assert failed.status_code == 500
    failed = await coordinator.http.post(f"/api/v1/projects/{project_id}/tasks", json={"title": "x"})
    assert failed.status_code == 500
    assert (await coordinator.get(f"/projects/{project_id}"))["name"] != "new"
    assert (await coordinator.get("/tasks"))["items"] == []


@pytest.mark.parametrize("attempt", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"])
async def test_no_entry_is_changed_or_removed(coordinator: RunningCoordinator, attempt: str) -> None:
    await coordinator.project()
    with pytest.raises(DBAPIError, match="only ever added to"):
        async with coordinator.served.services.database.transaction() as connection:
            await connection.execute(text(attempt))
    assert len(await entries(coordinator)) == 1


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_moment_that_no_database_holds_is_refused(
    coordinator: RunningCoordinator, moment: str
) -> None:
    answer = await coordinator.http.get(f"/api/v1/audit?since={moment}")
    assert answer.status_code == 422
    answer = await coordinator.http.get(f"/api/v1/audit?until={moment}")
    assert answer.status_code == 422
