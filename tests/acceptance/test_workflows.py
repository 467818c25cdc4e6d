"""Projects' own steps and questions to a person, with a real coordinator, a real worker and real git."""

from typing import Any

import pytest

from tests.repositories import branches_of, git_in
from tests.system import HELD, System

LIVE = ("preparing", "implementing", "verifying")
APPROVAL = {
    "name": "look",
    "after": "verify",
    "kind": "approval",
    "settings": {"question": "Shall this be published?"},
}


def command(name: str, after: str, line: str, **fields: Any) -> dict[str, Any]:
    settings = {"argv": ["sh", "-c", line]} | fields.pop("settings", {})
    return {"name": name, "after": after, "kind": "command", "settings": settings, **fields}


async def nodes_of(system: System, execution: dict[str, Any]) -> list[tuple[str, str | None]]:
    page = await system.coordinator.get(f"/executions/{execution['id']}/nodes")
    return [(node["name"], node["outcome"]) for node in page["items"]]


async def asked(system: System, task: dict[str, Any]) -> dict[str, Any]:
    """The execution once it asks; its task waits then."""
    execution = await system.until_execution(task, "waiting_input")
    assert (await system.coordinator.get(f"/tasks/{task['id']}"))["state"] == "waiting"
    return execution


async def answer(system: System, execution: dict[str, Any], words: str, status: int = 200) -> dict[str, Any]:
    return await system.coordinator.post(f"/executions/{execution['id']}/answer", {"answer": words}, status)


async def test_a_projects_own_steps_are_walked_where_it_put_them(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    added = [
        command("shout", "implement", "tr a-z A-Z < result.txt > loud.txt"),
        command("check", "verify", "test -f loud.txt && touch left.txt"),
    ]
    project = await system.project(repository, verify_commands=[["true"]], workflow_nodes=added)
    ended = await system.ended(await system.task(project, "echo done > result.txt"))
    assert (ended["state"], ended["message"]) == ("completed", "")
    change = await system.change(ended)
    assert {file["path"] for file in change["diffstat"]["files"]} == {"result.txt", "loud.txt"}
    (execution,) = await system.executions(ended)
    names = ["prepare", "implement", "shout", "verify", "check", "publish"]
    assert await nodes_of(system, execution) == [(name, "passed") for name in names]


async def test_what_an_approval_rejects_is_not_published_and_is_kept(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    project = await system.project(repository, verify_commands=[["true"]], workflow_nodes=[APPROVAL])
    task = await system.task(project, "echo done > result.txt")
    execution = await asked(system, task)
    shown = await system.coordinator.get(f"/executions/{execution['id']}/question")
    assert "+done" in shown["diff"]
    assert shown["receipt"]["passed"]
    await answer(system, execution, "reject")
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "rejected")
    assert list(branches_of(repository)) == ["main"]
    (execution,) = await system.executions(task)
    assert execution["salvage_ref"]


async def test_an_approved_change_is_published_and_the_answer_is_taken_once(system: System) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]], workflow_nodes=[APPROVAL])
    task = await system.task(project, "echo done > result.txt")
    execution = await asked(system, task)
    assert (await answer(system, execution, "perhaps", 422))["code"] == "invalid-answer"
    assert (await answer(system, execution, "approve"))["state"] == "verifying"
    await answer(system, execution, "approve")
    assert (await answer(system, execution, "reject", 409))["code"] == "already-answered"
    ended = await system.ended(task)
    assert ended["state"] == "completed"
    await answer(system, execution, "approve")


@pytest.mark.parametrize("when", ["asked", "answered"])
async def test_a_killed_worker_asks_again_and_finds_the_answer(system: System, when: str) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]], workflow_nodes=[APPROVAL])
    task = await system.task(project, "echo done > result.txt")
    execution = await asked(system, task)
    if when == "asked":
        await system.kill_worker()
        await answer(system, execution, "approve")
    else:
        system.proxy.cut_off()
        await answer(system, execution, "approve")
        await system.kill_worker()
        system.proxy.mend()
    await system.start_worker()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    assert len(await system.executions(task)) == 1


async def test_words_are_told_to_the_agents_that_follow(system: System) -> None:
    await system.start_worker()
    added = [
        {
            "name": "ask",
            "after": "prepare",
            "kind": "approval",
            "settings": {"question": "Which colour?", "text": True},
        }
    ]
    repository = system.repository()
    project = await system.project(repository, verify_commands=[["true"]], workflow_nodes=added)
    task = await system.task(project, "cat {prompt_file} > prompt.txt")
    await answer(system, await asked(system, task), "Green, like the forest.")
    ended = await system.ended(task)
    change = await system.change(ended)
    prompt = git_in(repository, "show", f"{change['commit']}:prompt.txt")
    assert "Which colour?" in prompt
    assert "> Green, like the forest." in prompt


async def test_a_waiting_task_can_be_cancelled_and_drained(system: System) -> None:
    await system.start_worker(drain_seconds="0.5")
    project = await system.project(system.repository(), verify_commands=[["true"]], workflow_nodes=[APPROVAL])
    task = await system.task(project, "echo done > result.txt")
    execution = await asked(system, task)
    await system.coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    ended = await system.ended(task)
    assert ended["state"] == "cancelled"
    assert (await answer(system, execution, "approve", 409))["code"] == "not-waiting"
    other = await system.task(project, "echo done > other.txt")
    await asked(system, other)
    assert await system.stop_worker() == 0
    waiting = await system.coordinator.get(f"/tasks/{other['id']}")
    assert (waiting["state"], waiting["reason"]) == ("queued", "interrupted")


async def test_a_step_that_is_not_required_is_told_and_passed_over(system: System) -> None:
    await system.start_worker()
    added = [
        command("lint", "verify", "echo no good; exit 3", settings={"required": False}, retries=1),
        command("gate", "lint", "exit 4"),
    ]
    project = await system.project(system.repository(), verify_commands=[["true"]], workflow_nodes=added)
    ended = await system.ended(await system.task(project, "echo done > result.txt"))
    assert (ended["state"], ended["reason"]) == ("failed", "command_failed")
    assert "'gate'" in ended["message"]
    (execution,) = await system.executions(ended)
    assert (await nodes_of(system, execution))[-3:] == [
        ("lint", "failed"),
        ("lint", "failed"),
        ("gate", "failed"),
    ]


@pytest.mark.parametrize("after", ["prepare", "implement", "verify"])
async def test_a_worker_killed_in_a_projects_step_goes_on_there(system: System, after: str) -> None:
    await system.start_worker()
    step = command("step", after, f"{HELD}; echo step >> step.txt")
    project = await system.project(system.repository(), verify_commands=[["true"]], workflow_nodes=[step])
    task = await system.task(project, "echo done > result.txt")
    execution = await system.until_execution(task, *LIVE)
    await system.until_logged(execution["id"], b"reached", after)
    await system.kill_worker()
    system.go_on()
    await system.start_worker()
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    (execution,) = await system.executions(task)
    walked = await nodes_of(system, execution)
    assert [outcome for name, outcome in walked if name == "step"] == ["failed", "passed"]
    assert [name for name, outcome in walked if outcome == "passed"][-1] == "publish"


async def test_a_second_agent_goes_on_from_what_the_first_one_left(system: System) -> None:
    await system.start_worker()
    repository = system.repository()
    second = {
        "name": "polish",
        "after": "implement",
        "kind": "agent",
        "settings": {
            "prompt": "Polish it.",
            "agent": {"name": "command", "settings": {"command": "cat result.txt {prompt_file} > both.txt"}},
        },
    }
    project = await system.project(repository, verify_commands=[["true"]], workflow_nodes=[second])
    ended = await system.ended(await system.task(project, "echo first > result.txt"))
    assert (ended["state"], ended["message"]) == ("completed", "")
    change = await system.change(ended)
    both = git_in(repository, "show", f"{change['commit']}:both.txt")
    assert both.startswith("first")
    assert "Polish it." in both
