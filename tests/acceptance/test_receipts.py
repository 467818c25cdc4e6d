"""A receipt from the worker that signs it to the person who checks it, and flaky commands on the way."""

import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

from pullyard.protocol.receipt_text import BEGIN, END
from tests.cli_program import Program
from tests.repositories import branches_of, git_in
from tests.system import System

SUITE = "echo '=== 2 passed, 1 skipped in 0.01s ==='"


def verified(program: Program, *arguments: str, fails: int = 0, **options: Any) -> Any:
    """What ``receipt verify --json`` ends with; its error where it is refused."""
    done = program.run("receipt", "verify", *arguments, "--json", **options)
    assert done.returncode == fails, done.stdout + done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    return document["error"]["message"] if "error" in document else document


def test_a_receipt_is_copied_out_of_the_change_and_checked(running: Program) -> None:
    repository = running.repository(files={"README.md": "hello\n", "other": "x\n"})
    running.ok("project", "add", str(repository), "--verify", f'sh -c "{SUITE}"', "--verify", "true")
    words = ["--command", "echo more >> README.md", "--wait"]
    running.ok("task", "add", "shop", "Say more", "-d", f"{BEGIN}\n{END}\n```\n<details>", *words)
    change = running.json("change", "show", "shop#1")
    key = running.ok("receipt", "key").strip()
    text = change["body"]
    # By the coordinator's list, and by a key that was named, from wherever the receipt is.
    (found,) = verified(running, "-", "--commit", change["commit"], stdin=text)
    assert (found["passed"], found["commit"], found["key"]) == (True, change["commit"], key)
    assert found["tree"] == running.git("-C", repository, "rev-parse", f"{change['commit']}^{{tree}}")
    assert [(one["exit_code"], one["tests"] and one["tests"]["passed"]) for one in found["commands"]] == [
        (0, 2),
        (0, None),
    ]
    assert found["sandbox"]["name"] == "bubblewrap"
    shown = running.ok("receipt", "verify", "shop#1")
    assert "all commands passed" in shown
    assert "2 passed, 1 skipped" in shown
    assert "2 passed, 1 skipped" in running.ok("execution", "show", "shop#1")
    assert "| 2 passed, 1 skipped |" in text
    assert running.ok("receipt", "show", "shop#1").strip() in text
    # What did not pass is no proof.
    options = ["--verify", "false", "--verify-retries", "1", "--protect", "/infra/", "--cpus", "1.5"]
    edited = running.json("project", "edit", "shop", *options, "--protect", "default")
    assert (edited["limits"]["verify_retries"], edited["limits"]["verify_seconds"]) == (1, 60)
    assert edited["isolation"]["sandbox"]["cpus"] == 1.5
    assert edited["isolation"]["protected_paths"][0] == "/infra/"
    assert "CODEOWNERS" in edited["isolation"]["protected_paths"]
    running.run("task", "add", "shop", "Say less", "--command", "echo less >> README.md", "--wait")
    (failed,) = verified(running, "shop#2", fails=1)
    assert (failed["passed"], failed["tries"]) == (False, 2)
    private = running.data / "worker" / "receipt-key.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    no_coordinator = {"PULLYARD_DATA": str(running.place / "none")}
    assert verified(running, "-", "--key", key, stdin=text, **no_coordinator)[0]["worker_name"] is None


async def flaky_run(system: System, marker: Path, **limits: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task and its execution; its second verify command fails the first time that it is run at all."""
    await system.start_worker(sandbox="unsafe-directory")
    project = await system.project(
        system.repository(),
        verify_commands=[["true"], ["sh", "-c", f"test -e built || touch built; ! mkdir {marker}"], ["true"]],
        limits=limits,
    )
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    return task, (await system.executions(task))[-1]


async def test_a_flaky_command_is_marked_and_told_where_retries_are_asked_for(system: System) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        task, execution = await flaky_run(system, Path(place) / "seen", verify_retries=2)
    assert task["state"] == "completed", task["message"]
    receipt = execution["receipt"]
    assert (receipt["passed"], receipt["tries"]) == (True, 2)
    assert [(one["outcome"], one["flaky"]) for one in receipt["commands"]] == [
        ("passed", False),
        ("passed", True),
        ("passed", False),
    ]
    assert "flaky" in receipt["warning"]
    body = (await system.change(task))["body"]
    assert re.search(r"\| passed, flaky \| 0 \|", body)
    assert "**Note:**" in body
    assert b"is flaky" in await system.log(execution["id"], "verify")


async def test_a_failed_try_is_not_forgotten_when_the_worker_is_killed_in_the_next(
    system: System,
) -> None:
    await system.start_worker(sandbox="unsafe-directory")
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        first, second = Path(place) / "first", Path(place) / "second"
        fails_hangs_passes = f"! mkdir {first} || exit 3; ! mkdir {second} || {{ echo hangs; sleep 900; }}"
        project = await system.project(
            system.repository(),
            verify_commands=[["sh", "-c", fails_hangs_passes]],
            limits={"verify_retries": 1},
        )
        task = await system.task(project, "echo done > result.txt")
        execution = await system.until_execution(task, "verifying")
        await system.until_logged(execution["id"], b"hangs", "verify")
        await system.kill_worker()
        await system.start_worker(sandbox="unsafe-directory")
        assert (await system.ended(task))["state"] == "completed"
    (execution,) = await system.executions(task)
    receipt = execution["receipt"]
    assert (receipt["passed"], receipt["tries"]) == (True, 2)
    assert [one["flaky"] for one in receipt["commands"]] == [True]


async def test_without_retries_a_failed_command_has_failed(system: System) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        task, execution = await flaky_run(system, Path(place) / "seen")
    assert (task["state"], task["reason"]) == ("failed", "verify_failed")
    assert execution["receipt"]["tries"] == 1
    assert b"Once more" not in await system.log(execution["id"], "verify")


async def test_what_fails_every_time_is_tried_as_often_as_was_asked(system: System) -> None:
    repository = system.repository()
    before = branches_of(repository)
    await system.start_worker()
    fails = ["sh", "-c", 'test -z "$(git status --porcelain)" || exit 9; touch left; exit 3']
    project = await system.project(repository, verify_commands=[fails], limits={"verify_retries": 1})
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    (execution,) = await system.executions(task)
    receipt = execution["receipt"]
    assert (task["reason"], receipt["tries"]) == ("verify_failed", 2)
    assert "tried 2 times" in task["message"]
    (command,) = receipt["commands"]
    assert (command["exit_code"], command["flaky"]) == (3, False), "the second checkout is as fresh"
    assert branches_of(repository) == before
    assert git_in(repository, "rev-parse", "main")
