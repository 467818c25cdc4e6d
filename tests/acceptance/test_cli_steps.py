"""A project's own steps, a question and a review, as a person types them."""

import json
import subprocess
import time

from tests.cli_program import Program, program

__all__ = ["program"]

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
    deadline = time.monotonic() + 30
    while (found := program.json("task", "show", task)["task"]["state"]) not in states:
        assert time.monotonic() < deadline, found


def test_steps_are_set_asked_and_answered(program: Program) -> None:
    steps = program.place / "steps.json"
    steps.write_text(json.dumps(STEPS))
    with program.up():
        program.json("project", "add", str(program.repository()), "--verify", "true")
        assert "look" in program.ok("project", "steps", "shop", "--set", str(steps))
        program.ok("task", "add", "shop", "Say more", "--command", "echo more >> README.md")
        until_state(program, "shop#1", "waiting")
        asked = program.ok("execution", "question", "shop#1")
        assert "+more" in asked
        assert "Answer with approve or reject." in asked
        wrong = program.run("execution", "answer", "shop#1", "maybe")
        assert (wrong.returncode, wrong.stderr) == (2, "Answer with one of: approve, reject.\n")
        program.ok("execution", "answer", "shop#1", "approve")
        until_state(program, "shop#1", "completed")
        assert [one["name"] for one in program.json("execution", "nodes", "shop#1")] == [
            *("prepare", "implement", "verify", "look", "publish")
        ]
        steps.write_text("[]")
        program.ok("project", "steps", "shop", "--set", str(steps))
        done = program.json("change", "respond", "shop#1", "Once more.", "--wait")
        assert done["task"]["state"] == "completed"
    log = subprocess.run(
        ["git", "-C", program.place / "shop.git", "rev-list", "--count", done["change"]["branch"]],
        capture_output=True,
        check=True,
    )
    assert log.stdout.strip() == b"3"


def test_a_project_is_initialized(program: Program) -> None:
    with program.up():
        program.json("project", "add", str(program.repository()))
        done = program.json("project", "initialize", "shop", "--wait")
        assert "task_lists.md" in program.ok("change", "diff", done["change"]["id"])
