"""A change under review is gone on with: same branch, same change, one more commit."""

import asyncio
from pathlib import Path
from typing import Any

from watchfiles import awatch

from tests.repositories import branches_of, commit_files, git_in
from tests.system import System


async def change_of(system: System, repository: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    project = await system.project(repository, verify_commands=[["test", "-f", "result.txt"]])
    command, wanted = "date +%N >> result.txt", "Wanted at first."
    ended = await system.ended(await system.task(project, command, description=wanted))
    return ended, await system.change(ended)


async def respond(system: System, change: dict[str, Any], status: int = 201) -> dict[str, Any]:
    return await system.coordinator.post(
        f"/changes/{change['id']}/respond", {"text": "Say it twice."}, status
    )


async def test_a_response_is_added_to_the_branch_of_its_change(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    _, change = await change_of(system, repository)
    task = await respond(system, change)
    assert (await respond(system, change, 409))["code"] == "response-under-way"
    ended = await system.ended(task)
    assert (ended["state"], ended["message"], ended["change_id"]) == ("completed", "", change["id"])
    now = await system.change(ended)
    assert now["branch"] == change["branch"]
    assert branches_of(repository)[change["branch"]] == now["commit"]
    assert git_in(repository, "rev-parse", f"{now['commit']}^") == change["commit"]
    # The change is shown against its base, not against what it was before.
    assert now["diffstat"]["additions"] == 2
    assert now["receipt"]["commit"] == now["commit"]
    # Its text says what was wanted, then and now, with the newest receipt and no older one.
    assert "Say it twice." in now["body"]
    assert "Wanted at first." in now["body"]
    assert now["commit"][:12] in now["body"]
    assert change["commit"][:12] not in now["body"]
    assert now["body"].count("BEGIN PULLYARD RECEIPT") == 1
    page = await system.coordinator.get(f"/changes?project_id={change['project_id']}")
    assert len(page["items"]) == 1


async def test_a_branch_that_somebody_moved_is_left_alone(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    _, change = await change_of(system, repository)
    work = system.root / "other"
    git_in(system.root, "clone", "-q", "-b", change["branch"], str(repository), str(work))
    theirs = commit_files(work, {"theirs.txt": "x"})
    git_in(work, "push", "-q", "origin", change["branch"])
    ended = await system.ended(await respond(system, change))
    assert (ended["state"], ended["reason"]) == ("failed", "base_branch_missing")
    assert branches_of(repository)[change["branch"]] == theirs


async def test_only_an_open_change_is_gone_on_with(system: System) -> None:
    await system.start_worker()
    ended, change = await change_of(system, system.repository())
    await system.coordinator.post(f"/changes/{change['id']}/close", status=202)
    await system.change_in_state(ended, "closed")
    assert (await respond(system, change, 409))["code"] == "change-ended"
    answer = await system.coordinator.http.post("/api/v1/changes/chg_no/respond", json={"text": "x"})
    assert answer.status_code == 404


def hold_pushes(repository: Path) -> None:
    """A push is there at once, and its worker is told so only when ``released`` is there."""
    hook = repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nuntil [ -e released ]; do sleep 0.1; done\n")
    hook.chmod(0o755)


async def until_moved(repository: Path, branch: str, commit: str) -> None:
    """Waits on the repository's own files."""
    async with asyncio.timeout(60):
        async for _ in awatch(repository, yield_on_timeout=True, rust_timeout=200):
            if branches_of(repository)[branch] != commit:
                return


async def test_a_response_whose_push_nobody_told_of_is_replaced_by_its_next_try(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    _, change = await change_of(system, repository)
    hold_pushes(repository)
    task = await respond(system, change)
    execution = await system.until_execution(task, "publishing")
    await until_moved(repository, change["branch"], change["commit"])
    # As a lost lease does: the worker may not tell of its push any more.
    await system.coordinator.post(f"/executions/{execution['id']}/requeue", status=200)
    (repository / "released").touch()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    now = await system.change(ended)
    assert branches_of(repository)[change["branch"]] == now["commit"]
    assert git_in(repository, "rev-parse", f"{now['commit']}^") == change["commit"]


async def test_a_response_that_is_cancelled_after_its_push_moves_the_branch_back(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    _, change = await change_of(system, repository)
    hold_pushes(repository)
    task = await respond(system, change)
    await system.until_execution(task, "publishing")
    await until_moved(repository, change["branch"], change["commit"])
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    await system.until_heard()
    (repository / "released").touch()
    assert (await system.ended(task))["state"] == "cancelled"
    assert branches_of(repository)[change["branch"]] == change["commit"]
    assert (await system.coordinator.get(f"/changes/{change['id']}"))["commit"] == change["commit"]
