"""A real worker under its owner's policy, sent everything that a hostile coordinator could send."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pullyard.cli.signed_work import sign_work, work_of
from pullyard.protocol.resources import Project, Task, TaskInput
from pullyard.protocol.signing import public_text
from tests.system import System

KEY = Ed25519PrivateKey.generate()
PUBLIC = public_text(KEY.public_key())
WORK = "echo more >> README.md"
AGENT = {"name": "command", "settings": {"command": WORK}}


async def start(system: System, policy: str, **settings: str) -> None:
    path = system.root / "policy.toml"
    path.write_text(policy)
    path.chmod(0o600)
    await system.start_worker(policy_file=str(path), **settings)


async def outcome(system: System, project: str, **fields: Any) -> tuple[str, str | None, str]:
    task = await system.ended(await system.task(project, WORK, **fields))
    return task["state"], task["reason"], task["message"]


def seen(system: System) -> list[Path]:
    return list((system.worker_data / "mirrors").glob("*"))


async def signed(system: System, project_id: str, **fields: Any) -> str:
    project = Project.model_validate(await system.coordinator.get(f"/projects/{project_id}"))
    wish = TaskInput.model_validate({"title": "Mend it", "agent": AGENT, **fields})
    return sign_work(work_of(project, wish), KEY, 1)


@pytest.mark.attack("coordinator: a hostile one")
async def test_only_named_repositories_and_signed_work(system: System) -> None:
    allowed, other = system.repository(), system.repository(name="other")
    await start(system, f'[[repository]]\nmatch = ["{allowed}"]\nsigned_by = ["{PUBLIC}"]\n')
    home = await system.project(allowed, verify_commands=[["true"]])
    for refused in (other, Path("/etc"), "https://git.example.com/a/b", f"{allowed}/../other.git"):
        state, reason, message = await outcome(system, await system.project(refused))
        assert (state, reason) == ("failed", "policy_refused")
        assert "match = [" in message
    state, reason, message = await outcome(system, home)
    assert (state, reason) == ("failed", "policy_refused")
    assert "not signed" in message
    assert seen(system) == []
    signature = await signed(system, home)
    assert await outcome(system, home, signature=signature) == ("completed", None, "")
    # The same signature for a second task, and one for other words.
    state, reason, message = await outcome(system, home, signature=signature)
    assert (state, reason) == ("failed", "policy_refused")
    assert "another task" in message
    other_words = await signed(system, home, description="Something else.")
    state, reason, message = await outcome(system, home, signature=other_words)
    assert reason == "policy_refused"
    assert "this differs: description." in message
    refused = next(one for one in await system.executions(await newest(system)) if one["reason"])
    assert refused["fault"] == "project"


async def newest(system: System) -> dict[str, Any]:
    return (await system.coordinator.get("/tasks?limit=1"))["items"][0]


async def test_a_refused_task_can_be_signed_and_tried_again(system: System) -> None:
    repository = system.repository()
    await start(system, f'[[repository]]\nmatch = ["{repository}"]\nsigned_by = ["{PUBLIC}"]\n')
    home = await system.project(repository, verify_commands=[["true"]])
    task = await system.ended(await system.task(home, WORK))
    project = Project.model_validate(await system.coordinator.get(f"/projects/{home}"))
    signature = sign_work(work_of(project, Task.model_validate(task)), KEY, 1)
    answer = await system.coordinator.http.patch(
        f"/api/v1/tasks/{task['id']}",
        json={"signature": signature},
        headers={"if-match": str(task["version"])},
    )
    assert answer.status_code == 200, answer.text
    await system.coordinator.post(f"/tasks/{task['id']}/retry", {}, 200)
    assert (await system.until(task["id"], "completed", "cancelled"))["message"] == ""


@pytest.mark.attack("coordinator: a hostile one")
async def test_what_may_leave_is_the_owner_s_word(system: System) -> None:
    repository = system.repository()
    await start(
        system, f'[[repository]]\nmatch = ["{repository}"]\n[repository.text]\nlogs = false\ndiff = false\n'
    )
    home = await system.project(repository, verify_commands=[["true"]], text_policy={"logs": True})
    task = await system.ended(await system.task(home, f"echo canary_printed; {WORK}; echo canary_x > new"))
    assert task["state"] == "completed", task["message"]
    assert not (await system.change(task))["has_diff"]
    assert b"canary" not in system.proxy.sent


async def test_errands_need_the_owner_s_word(system: System) -> None:
    repository = system.repository()
    await start(system, f'[[repository]]\nmatch = ["{repository}"]\nerrands = ["close"]\n')
    home = await system.project(repository, verify_commands=[["true"]])
    task = await system.ended(await system.task(home, WORK))
    await system.coordinator.post(f"/changes/{task['change_id']}/merge", {}, 202)
    with pytest.raises(AssertionError, match="does not allow merge"):
        await system.change_in_state(task, "merged")


async def test_a_command_waits_for_a_person_and_the_answer_is_remembered(system: System) -> None:
    repository = system.repository()
    await start(
        system, f'[[repository]]\nmatch = ["{repository}"]\ncommands = ["ask touch **", "deny curl **"]\n'
    )
    denied = await system.project(repository, verify_commands=[["curl", "x"]])
    state, reason, message = await outcome(system, denied)
    assert (state, reason) == ("failed", "policy_refused")
    assert "'curl x' is denied. The rule 'deny curl **' is about it." in message
    home = await system.project(repository, setup_commands=[["touch", "/tmp/x"]], verify_commands=[["true"]])
    task = await system.task(home, WORK)
    asked = await system.until_execution(task, "waiting_input")
    assert "touch /tmp/x" in asked["question"]["question"]
    # A restart in between asks the same question and is not counted as an interruption.
    await system.kill_worker()
    await start(system, (system.root / "policy.toml").read_text())
    await system.coordinator.post(f"/executions/{asked['id']}/answer", {"answer": "approve"}, 200)
    # Set up twice, for the agent and for the verification; asked once.
    assert (await system.ended(task))["state"] == "completed"


async def test_a_rejected_command_ends_the_task(system: System) -> None:
    repository = system.repository()
    await start(system, '[[repository]]\nmatch = ["/**"]\n')
    tools = {"tools": {"commands": ["ask make **"]}}
    home = await system.project(repository, verify_commands=[["make", "test"]], isolation=tools)
    task = await system.task(home, WORK)
    asked = await system.until_execution(task, "waiting_input")
    assert asked["question"]["node"] == "verify"
    assert "+more" in asked["question"]["diff"]
    await system.coordinator.post(f"/executions/{asked['id']}/answer", {"answer": "reject"}, 200)
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "rejected")


async def test_a_broken_policy_keeps_the_worker_from_starting(system: System) -> None:
    await start(system, '[[repository]]\nmatch = ["/**"]\nagnets = ["x"]\n')
    assert await system.worker.wait() != 0
    assert "policy.toml, line 3: repository.agnets: unknown key 'agnets'" in system.worker_log
