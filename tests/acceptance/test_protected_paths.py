"""What a project protects waits for a person, from the agent's file to the pushed branch."""

from typing import Any

import pytest

from tests.repositories import branches_of
from tests.system import System

WORKFLOW = "mkdir -p .GitHub/workflows; echo 'run: steal' > .GitHub/workflows/ci.yml; echo done > result.txt"


async def asked(system: System, task: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    execution = await system.until_execution(task, "waiting_input")
    return execution, await system.coordinator.get(f"/executions/{execution['id']}/question")


async def answer(system: System, execution: dict[str, Any], words: str) -> None:
    await system.coordinator.post(f"/executions/{execution['id']}/answer", {"answer": words}, 200)


@pytest.mark.attack("verify: files of continuous integration", backend="bubblewrap")
async def test_a_protected_path_waits_and_an_approved_one_is_published(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    project = await system.project(repository, verify_commands=[["true"]])
    task = await system.task(project, f"seq 90000 > a.txt; {WORKFLOW}")
    execution, question = await asked(system, task)
    assert question["choices"] == ["approve", "reject"]
    assert ".GitHub/workflows/ci.yml" in question["question"]
    # However much else there is, what is protected is shown.
    assert "+run: steal" in question["diff"]
    assert question["diff_truncated"]
    assert question["receipt"]["passed"]
    assert list(branches_of(repository)) == ["main"]
    # The question outlives its worker.
    await system.kill_worker()
    await answer(system, execution, "approve")
    await system.start_worker()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    assert ended["change_id"]
    assert len(await system.executions(task)) == 1


async def test_a_rejected_one_is_kept_and_not_published(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    project = await system.project(repository, verify_commands=[["true"]])
    task = await system.task(project, WORKFLOW)
    execution, _ = await asked(system, task)
    await answer(system, execution, "reject")
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "rejected")
    assert list(branches_of(repository)) == ["main"]
    (execution,) = await system.executions(task)
    assert execution["salvage_ref"]


@pytest.mark.parametrize(
    ("protected", "line", "waits"),
    [([], WORKFLOW, False), (["infra/*.tf"], "mkdir infra; echo x > infra/main.tf", True)],
)
async def test_the_project_says_what_it_protects(
    system: System, protected: list[str], line: str, *, waits: bool
) -> None:
    await system.start_worker()
    isolation = {"protected_paths": protected}
    project = await system.project(system.repository(), verify_commands=[["true"]], isolation=isolation)
    task = await system.task(project, line)
    if waits:
        execution, _ = await asked(system, task)
        await answer(system, execution, "approve")
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    (execution,) = await system.executions(task)
    nodes = (await system.coordinator.get(f"/executions/{execution['id']}/nodes"))["items"]
    assert ("protected-paths" in [node["name"] for node in nodes]) == waits
