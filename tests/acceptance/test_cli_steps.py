"""A project's own steps, a question and a review, as a person types them."""

import json
import subprocess
import time

from tests.cli_program import Program

STEPS = [
    {
        "name": "look",
        "after": "verify",
        "kind": "approval",
        "settings": {"question": "Shall it be published?"},
    }
]


def until_state(program: Program, task: str, *states: str) -> None:
    """Waits on the program's own answer."""
    deadline = time.monotonic() + 90
    while (found := program.json("task", "show", task)["task"]["state"]) not in states:
        assert time.monotonic() < deadline, found


def test_steps_are_set_asked_and_answered(running: Program) -> None:
    steps = running.place / "steps.json"
    steps.write_text(json.dumps(STEPS))
    running.json("project", "add", str(running.repository()), "--verify", "true")
    assert "look" in running.ok("project", "steps", "shop", "--set", str(steps))
    running.ok("task", "add", "shop", "Say more", "--command", "echo more >> README.md")
    until_state(running, "shop#1", "waiting")
    asked = running.ok("execution", "question", "shop#1")
    assert "+more" in asked
    assert "Answer with approve or reject." in asked
    wrong = running.run("execution", "answer", "shop#1", "maybe")
    assert (wrong.returncode, wrong.stderr) == (2, "Answer with one of: approve, reject.\n")
    running.ok("execution", "answer", "shop#1", "approve")
    until_state(running, "shop#1", "completed")
    assert [one["name"] for one in running.json("execution", "nodes", "shop#1")] == [
        *("prepare", "implement", "verify", "look", "publish")
    ]
    steps.write_text("[]")
    running.ok("project", "steps", "shop", "--set", str(steps))
    approved = running.json("change", "approve", "shop#1")
    assert approved["approval"]["member_name"] == "owner"
    assert "approved_by " in running.ok("change", "show", "shop#1")
    done = running.json("change", "respond", "shop#1", "Once more.", "--wait")
    assert done["task"]["state"] == "completed"
    assert "approved_by " not in running.ok("change", "show", "shop#1")
    log = subprocess.run(
        ["git", "-C", running.place / "shop.git", "rev-list", "--count", done["change"]["branch"]],
        capture_output=True,
        check=True,
    )
    assert log.stdout.strip() == b"3"


def test_a_project_is_initialized(running: Program) -> None:
    running.json("project", "add", str(running.repository()))
    done = running.json("project", "initialize", "shop", "--wait")
    assert "task_lists.md" in running.ok("change", "diff", done["change"]["id"])
