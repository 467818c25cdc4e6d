"""A real worker under its owner's policy, sent everything that a hostile coordinator could send."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pullyard.cli.signed_work import sign_work, work_of
from pullyard.protocol.resources import Project, Task, TaskInput
from pullyard.protocol.signing import public_text
from tests.eventually import eventually
from tests.system import System
from tests.web_host import web_host

KEY = Ed25519PrivateKey.generate()
PUBLIC = public_text(KEY.public_key())
WORK = "echo more >> README.md"
AGENT = {"name": "command", "settings": {"command": WORK}}


async def start(system: System, policy: str, *flags: str, **settings: str) -> None:
    path = system.root / f"policy-{len(system.workers)}.toml"
    path.write_text(policy)
    await system.start_worker(*flags, policy_file=str(path), **settings)


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
    asking = f'[[repository]]\nmatch = ["{repository}"]\ncommands = ["ask touch **", "deny curl **"]\n'
    await start(system, asking)
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
    await start(system, asking)
    await system.coordinator.post(f"/executions/{asked['id']}/answer", {"answer": "approve"}, 200)
    # Set up twice, for the agent and for the verification; asked once.
    assert (await system.ended(task))["state"] == "completed"


async def test_more_commands_than_are_shown_at_once_are_several_questions(system: System) -> None:
    repository = system.repository()
    await start(system, f'[[repository]]\nmatch = ["{repository}"]\ncommands = ["ask true **"]\n')
    commands = [["true", f"{number}-{'x' * 700}"] for number in range(3)]
    home = await system.project(repository, setup_commands=commands, verify_commands=[["touch", "."]])
    task = await system.task(home, WORK)
    first = await system.until_execution(task, "waiting_input")
    assert [shlex.join(argv) in first["question"]["question"] for argv in commands] == [True, True, False]
    answer = f"/executions/{first['id']}/answer"
    await system.coordinator.post(answer, {"answer": "approve"}, 200)

    async def asked_again() -> dict[str, Any] | None:
        execution = await system.coordinator.get(f"/executions/{first['id']}")
        other = execution["question"] and execution["question"] != first["question"]
        return execution["question"] if other and execution["state"] == "waiting_input" else None

    second = await eventually(asked_again)
    assert [shlex.join(argv) in second["question"] for argv in commands] == [False, False, True]
    await system.coordinator.post(answer, {"answer": "approve"}, 200)
    assert (await system.ended(task))["state"] == "completed"
    too_long = await system.project(repository, setup_commands=[["true", "x" * 2000]], verify_commands=[])
    state, reason, message = await outcome(system, too_long)
    assert (state, reason) == ("failed", "policy_refused")
    assert "too long to be shown" in message


async def test_a_rejected_command_ends_the_task(system: System) -> None:
    repository = system.repository()
    await start(system, '[[repository]]\nmatch = ["/**"]\n')
    tools = {"tools": {"commands": ["ask make **"]}}
    home = await system.project(repository, verify_commands=[["make", "test"]], isolation=tools)
    task = await system.task(home, WORK)
    asked = await system.until_execution(task, "waiting_input")
    assert asked["question"]["node"] == "verify"
    shown = await system.coordinator.get(f"/executions/{asked['id']}/question")
    assert "+more" in shown["diff"]
    await system.coordinator.post(f"/executions/{asked['id']}/answer", {"answer": "reject"}, 200)
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "rejected")


async def test_a_broken_policy_keeps_the_worker_from_starting(system: System) -> None:
    await start(system, '[[repository]]\nmatch = ["/**"]\nagnets = ["x"]\n')
    assert await system.worker.wait() != 0
    assert "policy-0.toml, line 3: repository.agnets: unknown key 'agnets'" in system.worker_log


async def test_another_worker_does_what_one_refuses(system: System) -> None:
    repository = system.repository()
    await start(system, '[[repository]]\nmatch = ["/srv/"]\n', "--name", "strict")
    home = await system.project(repository, verify_commands=[["true"]])
    waits = await system.task(home, WORK, labels=["lax"])
    await start(
        *(system, f'[[repository]]\nmatch = ["{repository}"]\n', "--data", str(system.root / "other")),
        *("--name", "lax", "--label", "lax"),
    )
    # Both are here once this is done.
    assert (await system.ended(waits))["state"] == "completed"
    tasks = [await system.task(home, WORK) for _ in range(3)]
    ended = [await system.ended(task) for task in tasks]
    assert [task["state"] for task in ended] == ["completed"] * 3
    for task in ended:
        await system.coordinator.post(f"/changes/{task['change_id']}/close", {}, 202)
        await system.change_in_state(task, "closed")
    assert seen(system) == [], "the strict one fetched nothing"


HOSTILE_POLICY = """
[[repository]]
match = ["{repository}"]
protected_paths = ["deploy/"]
network = {{ registries = false, hosts = [] }}
text = {{ logs = false, diff = false }}
"""


def published_file(repository: Path, branch: str, path: str) -> bytes:
    git = ["git", "-C", str(repository), "show", f"{branch}:{path}"]
    return subprocess.run(git, capture_output=True, check=True).stdout


async def test_a_project_of_a_hostile_coordinator_gets_nothing_beyond_the_policy(system: System) -> None:
    """It allows itself a host of the worker's own network, all paths and all text."""
    repository = system.repository()
    with web_host(b"canary_outside") as port:
        owner = {
            "network_allow_private": json.dumps([f"127.0.0.1:{port}"]),
            "network_resolve": json.dumps({"inside.example": "127.0.0.1"}),
        }
        await start(system, HOSTILE_POLICY.format(repository=repository), **owner)
        wanted = {
            "network": {"hosts": [{"host": "inside.example", "port": port}]},
            "protected_paths": [],
        }
        home = await system.project(
            repository,
            verify_commands=[["true"]],
            isolation=wanted,
            text_policy={"logs": True, "diff": True},
        )
        work = (
            f"mkdir deploy; curl -sS http://inside.example:{port}/ > deploy/x; echo canary_text >> deploy/x"
        )
        task = await system.task(home, f"{work}; cat deploy/x")
        asked = await system.until_execution(task, "waiting_input")
        assert "deploy/" in asked["question"]["question"]
        shown = await system.coordinator.get(f"/executions/{asked['id']}/question")
        assert shown["diff"] is None
        await system.coordinator.post(f"/executions/{asked['id']}/answer", {"answer": "approve"}, 200)
        ended = await system.ended(task)
    assert ended["state"] == "completed", ended["message"]
    change = await system.change(ended)
    published = published_file(repository, change["branch"], "deploy/x")
    assert b"canary_text" in published
    assert b"canary_outside" not in published
    assert b"canary_text" not in system.proxy.sent
    assert b"canary_text" not in await system.log(asked["id"])
    await system.stop_worker()
    kept = (system.worker_data / "logs" / asked["id"] / "prepare.log").read_bytes()
    assert b"The worker's policy gives less: Not reached" in kept
    told = await system.log(asked["id"], "prepare")
    assert told.startswith(b"[pullyard] These logs stay on their worker")


async def test_a_policy_that_became_stricter_ends_what_was_begun(system: System) -> None:
    repository = system.repository()
    await start(system, f'[[repository]]\nmatch = ["{repository}"]\ncommands = ["ask true"]\n')
    home = await system.project(repository, setup_commands=[["echo", "x"]], verify_commands=[["true"]])
    task = await system.task(home, WORK)
    await system.until_execution(task, "waiting_input")
    await system.kill_worker()
    await start(system, '[[repository]]\nmatch = ["/srv/"]\n')
    ended = await system.ended(task)
    assert (ended["state"], ended["reason"]) == ("failed", "policy_refused")
    assert "has no rule for" in ended["message"]
    (refused,) = await system.executions(task)
    assert refused["salvage_ref"] is not None, "the agent's work is kept on the worker"
