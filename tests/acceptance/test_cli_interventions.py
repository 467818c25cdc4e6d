"""A person steps in by the command line: workers, tasks, projects, schedules and events."""

import asyncio
import json
from typing import Any

import pytest

from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, coordinator
from tests.postgres import database_url, postgres_server

__all__ = ["coordinator", "database_url", "postgres_server"]


class Shell:
    """Runs the program against the coordinator, which goes on answering meanwhile."""

    def __init__(self, program: Program, coordinator: RunningCoordinator) -> None:
        program.environment |= {"PULLYARD_URL": coordinator.url, "PULLYARD_TOKEN": coordinator.token}
        self.program = program

    async def json(self, *arguments: str, stdin: str = "") -> Any:
        return await asyncio.to_thread(self.program.json, *arguments, stdin=stdin)

    async def fails(self, *arguments: str) -> tuple[int, str]:
        done = await asyncio.to_thread(self.program.run, *arguments)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr


@pytest.fixture
def shell(program: Program, coordinator: RunningCoordinator) -> Shell:
    return Shell(program, coordinator)


async def test_workers_are_shown_drained_quarantined_and_removed(
    shell: Shell, coordinator: RunningCoordinator
) -> None:
    worker = await coordinator.worker("gpu")
    task = await coordinator.task(await coordinator.project(name="shop"))
    await worker.claim()
    (listed,) = await shell.json("worker", "list")
    assert (listed["name"], listed["labels"], listed["running"]) == ("wire", ["gpu"], 1)
    assert (await shell.json("worker", "drain", "wire"))["state"] == "draining"
    assert (await shell.json("worker", "resume", "wire"))["state"] == "idle"
    out = await shell.json("worker", "quarantine", worker.id, "--take-back", "--reason", "smoke")
    assert (out["quarantine_reason"], out["running"]) == ("smoke", 0)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "queued"
    assert (await shell.json("worker", "release", "wire"))["state"] == "offline"
    assert (await shell.json("worker", "show", "wire"))["id"] == worker.id
    assert (await shell.json("worker", "remove", "wire")) == {"removed": worker.id}
    assert (await shell.fails("worker", "show", "wire"))[0] == 3
    entries = await shell.json("audit", "--target", worker.id)
    assert [one["action"].rpartition("/")[2] for one in entries] == [
        "{worker_id}", "release", "quarantine", "resume", "drain",
    ]  # fmt: skip


async def test_tasks_wait_for_each_other_and_are_edited(
    shell: Shell, coordinator: RunningCoordinator
) -> None:
    await coordinator.project(name="shop")
    agent = ("--command", "true")
    first = await shell.json("task", "add", "shop", "First", *agent, "--draft", "--label", "gpu")
    second = await shell.json("task", "add", "shop", "Second", *agent, "--depends-on", "shop#1")
    third = await shell.json("task", "add", "shop", "Third", *agent, "--start-at", "2999-01-01T00:00Z")
    assert [one["pending_reason"] for one in (first, second, third)] == ["draft", "dependency", "scheduled"]
    assert (await shell.json("task", "ready", "shop#1"))["state"] == "queued"
    edited = await shell.json("task", "edit", "shop#2", "--title", "New", "--start-at", "2999-01-01")
    assert (edited["title"], edited["pending_reason"]) == ("New", "dependency")
    assert (await shell.json("task", "edit", "shop#3", "--start-at", "now"))["state"] == "queued"
    code, said = await shell.fails("task", "edit", "shop#1", "--depends-on", "shop#2")
    assert (code, "wait for each other" in said) == (2, True)
    assert (await shell.fails("task", "edit", "shop#1", "--start-at", "soon"))[0] == 2
    worker = await coordinator.worker()
    await worker.claim()
    assert (await shell.json("task", "requeue", "shop#3", "--reason", "stuck"))["state"] == "queued"
    assert (await shell.json("task", "remove", "shop#2")) == {"removed": second["id"]}


async def test_a_project_is_edited_and_removed(shell: Shell, coordinator: RunningCoordinator) -> None:
    await coordinator.project(name="shop")
    edited = await shell.json("project", "edit", "shop", "--name", "store", "--tries", "3", "--label", "gpu")
    assert (edited["name"], edited["retry"]["max_tries"], edited["labels"]) == ("store", 3, ["gpu"])
    await shell.json("project", "remove", "store")
    assert (await shell.fails("project", "show", "store"))[0] == 3


async def test_a_schedule_is_made_switched_and_run(shell: Shell, coordinator: RunningCoordinator) -> None:
    await coordinator.project(name="shop")
    made = await shell.json("schedule", "add", "shop", "0 6 * * *", "Tidy up", "--zone", "Europe/Berlin")
    assert made["next_at"]
    assert (await shell.json("schedule", "off", made["id"]))["next_at"] is None
    assert (await shell.json("schedule", "on", made["id"]))["next_at"] is not None
    assert (await shell.json("schedule", "run", made["id"]))["title"] == "Tidy up"
    assert [one["id"] for one in await shell.json("schedule", "list", "shop")] == [made["id"]]
    code, said = await shell.fails("schedule", "add", "shop", "every day", "x")
    assert (code, "five fields" in said) == (2, True)
    await shell.json("schedule", "remove", made["id"])
    assert (await shell.fails("schedule", "show", made["id"]))[0] == 3


async def test_an_event_is_sent_and_becomes_a_task(shell: Shell, coordinator: RunningCoordinator) -> None:
    await coordinator.project(name="shop")
    wish = ("Mend {data.branch}", "--type", "build.*", "--if", "data.failed=true", "--priority", "7")
    rule = await shell.json("event", "add-rule", "shop", *wish)
    assert (await shell.json("token", "create", "forge", "--events"))["kind"] == "events"
    data = json.dumps({"branch": "main", "failed": True})
    for _ in range(2):
        sent = await shell.json("event", "send", "build.done", "--id", "7", "-d", "-", stdin=data)
        assert len(sent["task_ids"]) == 1
    (task,) = await shell.json("task", "list", "shop")
    assert (task["title"], task["priority"]) == ("Mend main", 7)
    await shell.json("event", "send", "build.done", "-d", '{"failed": false}')
    (unmatched,) = await shell.json("event", "list", "--unmatched")
    assert "data.failed" in unmatched["outcomes"][0]["why"]
    assert [one["id"] for one in await shell.json("event", "rules", "shop")] == [rule["id"]]
    await shell.json("event", "remove-rule", rule["id"])
    assert (await shell.fails("event", "send", "x", "-d", "{"))[0] == 2


async def test_budgets_are_set_listed_and_removed(shell: Shell, coordinator: RunningCoordinator) -> None:
    await coordinator.project(name="shop")
    task = await shell.json(
        "task", "add", "shop", "Mend it", "--dollars", "2.50", "--tokens", "9", "--command", "x"
    )
    assert (task["budget_micros"], task["budget_tokens"]) == (2_500_000, 9)
    made = await shell.json("budget", "set", "--project", "shop", "--per", "month", "--dollars", "12.50")
    again = await shell.json("budget", "set", "--project", "shop", "--per", "month", "--dollars", "20")
    assert (made["id"], again["limit_micros"]) == (again["id"], 20_000_000)
    await shell.json("budget", "set", "--each", "execution", "--tokens", "500")
    listed = await shell.json("budget", "list")
    assert [(one["scope"], one["period"], one["limit_tokens"]) for one in listed] == [
        ("execution", "total", 500), ("project", "month", None),
    ]  # fmt: skip
    assert [one["id"] for one in await shell.json("budget", "list", "--project", "shop")] == [made["id"]]
    assert await shell.json("budget", "remove", made["id"]) == {"removed": made["id"]}
    assert len(await shell.json("budget", "list")) == 1
    for wrong in (
        ["--dollars", "much"],
        ["--each", "other", "--tokens", "1"],
        ["--per", "year", "--tokens", "1"],
        [],
    ):
        assert (await shell.fails("budget", "set", *wrong))[0] != 0
