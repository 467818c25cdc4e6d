"""By the command line: what a task overlaps with, a project that lets it wait, and a person who does not."""

import asyncio

from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, coordinator
from tests.postgres import database_url, postgres_server

__all__ = ["coordinator", "database_url", "postgres_server"]


async def test_a_task_waits_for_another_and_is_let_run(
    program: Program, coordinator: RunningCoordinator
) -> None:
    program.environment |= {"PULLYARD_URL": coordinator.url, "PULLYARD_TOKEN": coordinator.token}

    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(program.run, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    project_id, worker = await coordinator.project(name="shop", max_running=2), await coordinator.worker()
    first = await coordinator.task(project_id, target_files=["src/*.py"])
    await worker.claim()
    assert "Changed project shop." in await run("project", "edit", "shop", "--overlap", "queue")
    said = await run("task", "add", "shop", "Mend", "--command", "true", "--file", "src/\x1b[2Ja.py")
    assert f"It touches the same files as {first['id']}." in said
    assert "It waits: overlap." in said
    shown = await run("task", "show", "shop#2")
    rows = [line.split() for line in shown.splitlines()]
    assert ["waits_for", first["id"]] in rows
    assert [first["id"], "src/*.py"] in rows
    assert "\x1b" not in shown
    assert "Task 2 is queued." in await run("task", "requeue", "shop#2")
    assert (await worker.claim()).task.number == 2
