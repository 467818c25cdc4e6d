"""One task on several repositories: all of its changes are published, or none of them."""

from pathlib import Path
from typing import Any

from tests.repositories import branches_of, commit_files, git_in
from tests.system import System

UNTIL_GO = "while [ ! -e go ]; do sleep 0.1; done"
BOTH = "echo app >> README.md; echo lib >> /repositories/lib/README.md"


async def begin(
    system: System, command: str, *, verify: str = "true", app: Path | None = None
) -> tuple[dict[str, Any], Path, Path]:
    app, lib = app or system.repository(name="app"), system.repository(name="lib")
    project = await system.project(app, verify_commands=[["true"]])
    further = {"name": "lib", "repository": str(lib), "verify_commands": [["sh", "-c", verify]]}
    return await system.task(project, command, repositories=[further]), app, lib


async def changes_of(system: System, task: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    page = await system.coordinator.get(f"/changes?task_id={task['id']}")
    return {change["repository"]: change for change in page["items"]}


def refuse_pushes(repository: Path, line: str = "exit 1") -> None:
    hook = repository / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{line}\n")
    hook.chmod(0o755)


async def test_every_repository_that_was_changed_gets_a_change_of_its_own(system: System) -> None:
    await system.start_worker()
    task, app, lib = await begin(
        system, BOTH, verify="grep -q app ../../ws/README.md && grep -q lib README.md"
    )
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    changes = await changes_of(system, task)
    assert set(changes) == {None, "lib"}
    assert ended["change_id"] == changes[None]["id"]
    assert branches_of(app)[changes[None]["branch"]] == changes[None]["commit"]
    assert branches_of(lib)[changes["lib"]["branch"]] == changes["lib"]["commit"]
    assert changes["lib"]["receipt"]["commit"] == changes["lib"]["commit"]
    assert "lib" in changes[None]["body"]
    # Each is merged where it is.
    await system.coordinator.post(f"/changes/{changes['lib']['id']}/merge", status=202)
    merged = await system.change_in_state({**task, "change_id": changes["lib"]["id"]}, "merged")
    assert branches_of(lib)["main"] == merged["merged_commit"]
    assert git_in(app, "rev-list", "--count", "main") == "1"


async def test_a_repository_that_was_not_changed_gets_none(system: System) -> None:
    await system.start_worker()
    task, app, lib = await begin(system, "echo lib >> /repositories/lib/README.md")
    ended = await system.ended(task)
    changes = await changes_of(system, ended)
    assert set(changes) == {"lib"}
    assert ended["change_id"] == changes["lib"]["id"]
    assert list(branches_of(app)) == ["main"]
    assert len(branches_of(lib)) == 2


async def test_nothing_is_pushed_where_one_of_them_is_not_proved(system: System) -> None:
    await system.start_worker()
    task, app, lib = await begin(system, BOTH, verify="exit 1")
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "verify_failed")
    assert "in lib" in ended["message"]
    assert list(branches_of(app)) == list(branches_of(lib)) == ["main"]


async def test_what_was_pushed_is_taken_back_when_a_later_push_is_refused(system: System) -> None:
    await system.start_worker()
    app, lib = system.repository(name="app"), system.root / "lib.git"
    task, _, lib = await begin(system, BOTH, app=app)
    refuse_pushes(lib, "echo no pushes here >&2; exit 1")
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "push_refused")
    assert "lib" in ended["message"]
    assert list(branches_of(app)) == list(branches_of(lib)) == ["main"]
    (execution,) = await system.executions(ended)
    assert execution["salvage_ref"]
    assert await changes_of(system, ended) == {}


async def test_a_worker_killed_between_two_pushes_delivers_both(system: System) -> None:
    await system.start_worker()
    app = system.repository(name="app")
    task, _, lib = await begin(system, BOTH, app=app)
    refuse_pushes(lib, UNTIL_GO)
    execution = await system.until_execution(task, "publishing")
    await system.until_logged(execution["id"], b"Branch", "publish")
    assert len(branches_of(app)) == 2
    await system.kill_worker()
    (lib / "go").touch()
    await system.start_worker()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    assert set(await changes_of(system, ended)) == {None, "lib"}
    assert len(await system.executions(ended)) == 1


async def test_a_task_cancelled_between_two_pushes_leaves_nothing(system: System) -> None:
    await system.start_worker()
    app = system.repository(name="app")
    task, _, lib = await begin(system, BOTH, app=app)
    refuse_pushes(lib, UNTIL_GO)
    execution = await system.until_execution(task, "publishing")
    await system.until_logged(execution["id"], b"Branch", "publish")
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    await system.until_heard()
    (lib / "go").touch()
    ended = await system.ended(task)
    assert ended["state"] == "cancelled"
    assert list(branches_of(app)) == ["main"]
    assert list(branches_of(lib)) == ["main"]


async def test_a_task_cancelled_while_its_worker_was_killed_between_two_pushes_leaves_nothing(
    system: System,
) -> None:
    await system.start_worker()
    app = system.repository(name="app")
    task, _, lib = await begin(system, BOTH, app=app)
    refuse_pushes(lib, UNTIL_GO)
    execution = await system.until_execution(task, "publishing")
    await system.until_logged(execution["id"], b"Branch", "publish")
    await system.kill_worker()
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    (lib / "go").touch()
    await system.start_worker()
    assert (await system.ended(task))["state"] == "cancelled"
    assert list(branches_of(app)) == ["main"]


async def test_a_branch_that_somebody_moved_meanwhile_is_not_taken_back(system: System) -> None:
    await system.start_worker()
    app = system.repository(name="app")
    task, _, lib = await begin(system, BOTH, app=app)
    refuse_pushes(lib, f"{UNTIL_GO}; exit 1")
    execution = await system.until_execution(task, "publishing")
    await system.until_logged(execution["id"], b"Branch", "publish")
    (branch,) = set(branches_of(app)) - {"main"}
    work = system.root / "other"
    git_in(system.root, "clone", "-q", "-b", branch, str(app), str(work))
    theirs = commit_files(work, {"theirs.txt": "x"})
    git_in(work, "push", "-q", "origin", branch)
    (lib / "go").touch()
    ended = await system.ended(task)
    assert ended["reason"] == "push_refused"
    assert branches_of(app)[branch] == theirs


async def test_without_a_sandbox_the_prompt_says_where_they_are(system: System) -> None:
    await system.start_worker(sandbox="unsafe-directory")
    place = r"$(sed -n 's/^- lib: `\(.*\)`$/\1/p' {prompt_file})"
    task, _, lib = await begin(system, f'echo lib >> "{place}/README.md"', verify="grep -q lib README.md")
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    changes = await changes_of(system, ended)
    assert branches_of(lib)[changes["lib"]["branch"]] == changes["lib"]["commit"]


async def test_the_unfinished_work_in_all_of_them_is_gone_on_with(system: System) -> None:
    await system.start_worker()
    line = "echo more >> README.md; echo more >> /repositories/lib/README.md"
    task, _, _ = await begin(system, f"[ $(wc -l < README.md) = 2 ] || {{ {line}; exit 1; }}")
    assert (await system.ended(task))["reason"] == "agent_failed"
    await system.coordinator.post(f"/tasks/{task['id']}/retry", {"resume": True}, 200)
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    assert set(await changes_of(system, ended)) == {None, "lib"}
