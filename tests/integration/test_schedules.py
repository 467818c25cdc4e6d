"""Tasks by a cron text: one for each tick, over replicas, restarts and missed ticks."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.coordinator import RunningCoordinator, running_coordinator
from tests.eventually import eventually
from tests.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]

EVERY_YEAR = "0 0 1 1 *"


async def make(coordinator: RunningCoordinator, project_id: str, **fields: Any) -> dict[str, Any]:
    wish = {"name": "nightly", "cron": EVERY_YEAR, "task": {"title": "Tidy up"}, **fields}
    return await coordinator.post(f"/projects/{project_id}/schedules", wish)


async def come_round(
    coordinator: RunningCoordinator, schedule: dict[str, Any], ago: str = "1 second"
) -> None:
    """As if the tick had come that long ago."""
    async with coordinator.served.services.database.transaction() as connection:
        due = f"UPDATE schedules SET next_at = now() - interval '{ago}' WHERE id = :id"
        await connection.execute(text(due), {"id": schedule["id"]})


async def ticked(coordinator: RunningCoordinator, schedule: dict[str, Any]) -> dict[str, Any]:
    """The schedule once its tick is over."""

    async def look() -> dict[str, Any] | None:
        now = await coordinator.get(f"/schedules/{schedule['id']}")
        future = now["next_at"] and datetime.fromisoformat(now["next_at"]) > datetime.now(UTC)
        return now if future and now["last_tick"] != schedule["last_tick"] else None

    return await eventually(look)


async def tasks_of(coordinator: RunningCoordinator, project_id: str) -> list[dict[str, Any]]:
    return (await coordinator.get(f"/tasks?project_id={project_id}&limit=200"))["items"]


async def test_a_tick_makes_a_task(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    template = {"title": "Tidy up", "priority": 7, "labels": ["gpu"], "retry": {"max_tries": 3}}
    schedule = await make(coordinator, project_id, task=template)
    assert datetime.fromisoformat(schedule["next_at"]).timetuple()[1:6] == (1, 1, 0, 0, 0)
    await come_round(coordinator, schedule)
    after = await ticked(coordinator, schedule)
    assert after["next_at"] == schedule["next_at"]
    assert after["last_outcome"] == "made a task"
    (task,) = await tasks_of(coordinator, project_id)
    assert task["id"] == after["last_task_id"]
    assert {name: task[name] for name in ("title", "priority", "labels", "schedule_id", "state")} == {
        "title": "Tidy up",
        "priority": 7,
        "labels": ["gpu"],
        "schedule_id": schedule["id"],
        "state": "queued",
    }
    assert task["retry"]["max_tries"] == 3


async def test_many_replicas_and_a_restart_make_one_task_a_tick(database_url: str) -> None:
    replicas = [running_coordinator(database_url) for _ in range(3)]
    one, two, three = [await replica.__aenter__() for replica in replicas]
    project_id = await one.project(max_running=100)
    schedule = await make(one, project_id, overlap="queue")
    for number in range(1, 9):
        await come_round(one, schedule, f"{number} hours")
        schedule = await ticked(two, schedule)
        if number == 4:
            await replicas[2].__aexit__(None, None, None)
    async with running_coordinator(database_url):
        await come_round(two, schedule, "10 hours")
        await ticked(one, schedule)
    assert len(await tasks_of(one, project_id)) == 9
    del three
    for replica in replicas[:2]:
        await replica.__aexit__(None, None, None)


async def test_replicas_that_see_the_same_tick_make_one_task(database_url: str) -> None:
    """All of them have found it due before the first one may act."""
    async with running_coordinator(database_url) as one, running_coordinator(database_url) as two:
        project_id = await one.project()
        schedule = await make(one, project_id, overlap="queue")
        async with two.served.services.database.transaction() as connection:
            held = "SELECT 1 FROM project_queue WHERE project_id = :id FOR UPDATE"
            await connection.execute(text(held), {"id": project_id})
            await come_round(one, schedule)
            waiting = text("SELECT count(*) >= 2 FROM pg_locks WHERE NOT granted")
            await eventually(lambda: connection.scalar(waiting))
        await ticked(one, schedule)
        # Whoever waited behind the first one has had its turn when a later tick is over.
        after = await one.get(f"/schedules/{schedule['id']}")
        await come_round(one, after)
        await ticked(one, after)
        assert len(await tasks_of(one, project_id)) == 2


async def test_of_missed_ticks_one_is_made_up_for(database_url: str) -> None:
    """A coordinator that was away for a week of hourly ticks."""
    async with running_coordinator(database_url) as coordinator:
        project_id = await coordinator.project()
        schedule = await make(coordinator, project_id, cron="0 * * * *", enabled=False)
        async with coordinator.served.services.database.transaction() as connection:
            missed = "date_trunc('hour', now()) - interval '7 days'"
            await connection.execute(text(f"UPDATE schedules SET enabled = true, next_at = {missed}"))
        after = await ticked(coordinator, schedule)
        next_at = datetime.fromisoformat(after["next_at"])
        assert timedelta(0) < next_at - datetime.now(UTC) <= timedelta(hours=1)
        assert len(await tasks_of(coordinator, project_id)) == 1


@pytest.mark.parametrize(("overlap", "tasks"), [("skip", 1), ("queue", 2)])
async def test_a_tick_while_the_last_task_runs(
    coordinator: RunningCoordinator, overlap: str, tasks: int
) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project()
    schedule = await make(coordinator, project_id, overlap=overlap)
    await come_round(coordinator, schedule, "3 hours")
    schedule = await ticked(coordinator, schedule)
    grant = await worker.claim()
    await come_round(coordinator, schedule, "2 hours")
    schedule = await ticked(coordinator, schedule)
    assert schedule["last_outcome"] == ("made a task" if tasks == 2 else "skipped: task #1 has not ended")
    assert len(await tasks_of(coordinator, project_id)) == tasks
    await worker.deliver(grant)
    await come_round(coordinator, schedule, "1 hour")
    await ticked(coordinator, schedule)
    assert len(await tasks_of(coordinator, project_id)) == tasks + 1


async def test_a_tick_whose_task_is_refused_is_over_and_says_why(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    schedule = await make(coordinator, project_id)
    async with coordinator.served.services.database.transaction() as connection:
        broken = """UPDATE schedules SET template = '{"title": "x", "workflow": "gone"}'"""
        await connection.execute(text(broken))
    await come_round(coordinator, schedule)
    after = await ticked(coordinator, schedule)
    assert after["last_outcome"].startswith("failed: There is no workflow 'gone'")
    assert await tasks_of(coordinator, project_id) == []


async def test_a_schedule_is_edited_stopped_and_removed(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    schedule = await make(coordinator, project_id)
    path = f"/api/v1/schedules/{schedule['id']}"
    tag = {"if-match": (await coordinator.http.get(path)).headers["etag"]}
    stopped = (await coordinator.http.patch(path, json={"enabled": False}, headers=tag)).json()
    assert (stopped["enabled"], stopped["next_at"]) == (False, None)
    assert (await coordinator.http.patch(path, json={"enabled": True}, headers=tag)).status_code == 412
    zone = {"enabled": True, "cron": "30 2 * * *", "time_zone": "Asia/Kolkata", "task": {"title": "New"}}
    edited = (await coordinator.http.patch(path, json=zone)).json()
    assert edited["next_at"].endswith("T21:00:00Z")
    assert edited["task"]["title"] == "New"
    task = await coordinator.post(f"/schedules/{schedule['id']}/run")
    assert (task["title"], task["schedule_id"]) == ("New", schedule["id"])
    assert [one["id"] for one in (await coordinator.get(f"/projects/{project_id}/schedules"))["items"]] == [
        schedule["id"]
    ]
    taken = await coordinator.http.post(
        f"/api/v1/projects/{project_id}/schedules",
        json={"name": "nightly", "cron": EVERY_YEAR, "task": {"title": "x"}},
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "name-taken")
    assert (await coordinator.http.delete(path)).status_code == 204
    assert (await coordinator.http.get(path)).status_code == 404
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "queued"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        *(({"cron": cron}, "invalid-cron") for cron in (
            "* * * *", "* * * * * *", "60 * * * *", "a b c d e", "@daily", "0 0 31 2 *", "*/0 * * * *",
            "0 0 30 2 *", "-1 * * * *", "1-0 * * * *", "0 0 * * 9", "٣ * * * *", "9" * 150 + " * * * *",
        )),
        *(({"time_zone": zone}, "unknown-time-zone") for zone in (
            "Mars/Olympus", "../../etc/passwd", "Europe", "/etc/passwd", "x" * 400, "Europe/Berlin\n0",
        )),
        ({"task": {"title": "x", "workflow": "nothing"}}, "unknown-workflow"),
        ({"task": {"title": "x", "agent": {"name": "nobody"}}}, None),
        ({"task": {"title": "x", "depends_on": ["y"]}}, "invalid-request"),
        ({"task": {"title": " "}}, "invalid-request"),
        ({"cron": ""}, "invalid-request"),
        ({"cron": "\x00 * * * *"}, None),
        ({"overlap": "pile"}, "invalid-request"),
    ],
)  # fmt: skip
async def test_nonsense_is_told_so(
    coordinator: RunningCoordinator, fields: dict[str, Any], code: str | None
) -> None:
    wish = {"name": "nightly", "cron": EVERY_YEAR, "task": {"title": "x"}, **fields}
    project_id = await coordinator.project()
    refused = await coordinator.http.post(f"/api/v1/projects/{project_id}/schedules", json=wish)
    assert refused.status_code == 422, refused.text
    assert code is None or refused.json()["code"] == code
    assert (await coordinator.get(f"/projects/{project_id}/schedules"))["items"] == []


async def test_a_tick_is_on_its_way_as_soon_as_it_comes(database_url: str) -> None:
    """At its own time, though nothing else would make the coordinator look around for a day."""
    async with running_coordinator(database_url, caretaker_seconds=86_400) as coordinator:
        project_id = await coordinator.project()
        schedule = await make(coordinator, project_id, cron="* * * * *")
        async with coordinator.served.services.database.transaction() as connection:
            soon = "UPDATE schedules SET next_at = now() + interval '0.4 s' WHERE id = :id RETURNING next_at"
            due = await connection.scalar(text(soon), {"id": schedule["id"]})
        # It was changed behind the coordinator's back; a new schedule makes it look when the next is due.
        await make(coordinator, project_id, name="another")
        await ticked(coordinator, schedule)
        (task,) = await tasks_of(coordinator, project_id)
        assert datetime.fromisoformat(task["created_at"]) >= due


async def test_a_person_and_a_tick_at_once_do_not_harm_each_other(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    schedule = await make(coordinator, project_id, overlap="queue")

    async def edit(number: int) -> httpx.Response:
        body = {"task": {"title": f"v{number}"}}
        return await coordinator.http.patch(f"/api/v1/schedules/{schedule['id']}", json=body)

    for number in range(5):
        await come_round(coordinator, schedule, f"{9 - number} hours")
        answers = await asyncio.gather(*(edit(one) for one in range(3)))
        assert {answer.status_code for answer in answers} == {200}
        schedule = await ticked(coordinator, schedule)
    assert len(await tasks_of(coordinator, project_id)) == 5


async def execute(coordinator: RunningCoordinator, *statements: str) -> None:
    async with coordinator.served.services.database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement))


BUG = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a bug'; END $$
"""


async def test_a_schedule_that_fails_by_a_bug_does_not_hold_up_the_others(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project()
    first = await make(coordinator, project_id, name="first", task={"title": "Bug"})
    second = await make(coordinator, project_id, name="second")
    on_insert = "CREATE TRIGGER fail BEFORE INSERT ON tasks FOR EACH ROW WHEN (new.title = 'Bug')"
    await execute(coordinator, BUG, f"{on_insert} EXECUTE FUNCTION fail()")
    await come_round(coordinator, first, "2 hours")
    await come_round(coordinator, second, "1 hour")
    assert (await ticked(coordinator, second))["last_outcome"] == "made a task"
    assert (await ticked(coordinator, first))["last_outcome"].startswith("failed: This is a fault")


async def test_a_schedule_whose_zone_is_gone_waits_for_an_edit(coordinator: RunningCoordinator) -> None:
    """As after a move to a machine that knows fewer zones."""
    project_id = await coordinator.project()
    first = await make(coordinator, project_id, name="first")
    second = await make(coordinator, project_id, name="second")
    await execute(coordinator, "UPDATE schedules SET time_zone = 'Gone/Zone' WHERE name = 'first'")
    await come_round(coordinator, first, "2 hours")
    await come_round(coordinator, second, "1 hour")
    assert (await ticked(coordinator, second))["last_outcome"] == "made a task"
    after = await coordinator.get(f"/schedules/{first['id']}")
    assert (after["next_at"], after["last_outcome"][:30]) == (None, "failed: There is no time zone ")
    edit = {"time_zone": "Europe/Berlin"}
    mended = await coordinator.http.patch(f"/api/v1/schedules/{first['id']}", json=edit)
    assert mended.json()["next_at"] is not None


async def test_a_due_task_that_fails_by_a_bug_does_not_hold_up_the_others(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project()
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bad, good = [
        await coordinator.task(project_id, title=title, start_at=soon) for title in ("Bug", "Mend it")
    ]
    on_update = "CREATE TRIGGER fail BEFORE UPDATE ON tasks FOR EACH ROW WHEN (new.state = 'queued' AND"
    await execute(
        coordinator,
        BUG,
        f"{on_update} new.title = 'Bug') EXECUTE FUNCTION fail()",
        "UPDATE tasks SET not_before = now() - interval '1 minute' WHERE title = 'Mend it'",
        "UPDATE tasks SET not_before = now() - interval '1 hour' WHERE title = 'Bug'",
    )
    assert (await coordinator.until_task(good["id"], "queued"))["state"] == "queued"
    assert (await coordinator.get(f"/tasks/{bad['id']}"))["state"] == "pending"
