"""The demo as a stranger runs it: its words, its document, and what is in the repository afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli_program import Program, program_at
from tests.warm import Warm


@pytest.fixture(scope="module")
def shown(warm: Warm) -> Iterator[tuple[Program, dict[str, Any]]]:
    """One demo for those who look at what it left, and its document."""
    with program_at(warm) as program:
        yield program, program.json("demo")


def test_the_branch_is_there_passes_its_tests_and_leaves_the_base_alone(
    shown: tuple[Program, dict[str, Any]],
) -> None:
    program, demo = shown
    repository, change = demo["repository"], demo["change"]
    assert program.git("-C", repository, "rev-parse", change["branch"]) == change["commit"]
    assert program.git("-C", repository, "rev-list", "--count", change["base"]) == "1"
    assert program.git("-C", repository, "rev-list", "--count", change["branch"]) == "2"
    assert program.passes_its_tests(repository, change["branch"])
    assert not program.passes_its_tests(repository, change["base"])


def test_the_document_says_all(shown: tuple[Program, dict[str, Any]]) -> None:
    _, demo = shown
    assert demo["task"].startswith("task_")
    assert demo["execution"].startswith("exec_")
    assert demo["receipt"]["commit"] == demo["change"]["commit"]
    assert [command["exit_code"] for command in demo["receipt"]["commands"]] == [0]
    names = {f"{name}_ms" for name in ("claim", "prepare", "implement", "verify", "publish", "total")}
    assert set(demo["timings"]) == names
    # A task that is handed out in the commit that makes it has not waited at all.
    assert demo["timings"]["claim_ms"] >= 0
    assert all(value > 0 for name, value in demo["timings"].items() if name != "claim_ms")
    assert demo["change"]["diffstat"]["files"]
    assert demo["sandbox"]


def test_it_says_what_it_does_in_plain_lines(program: Program) -> None:
    done = program.run("demo")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for words in ("Recorded session", "▸ implement", "verified", "What to do next", "change merge"):
        assert words in done.stdout


def test_nothing_runs_on_after_it(shown: tuple[Program, dict[str, Any]]) -> None:
    program, demo = shown
    assert demo["url"]
    assert program.processes() == []
    assert program.run("project", "list").returncode == 4


def test_its_own_next_commands_merge_the_change(program: Program) -> None:
    demo = program.json("demo")
    with program.up():
        merged = program.json("change", "merge", demo["change"]["id"])
    assert merged["state"] == "merged"
    assert program.passes_its_tests(demo["repository"], "main")


def test_a_used_directory_is_refused(program: Program) -> None:
    (program.data / "repository.git").mkdir(parents=True)
    done = program.run("demo", "--json")
    assert done.returncode == 1
    assert "'repository'" in done.stderr
    assert json.loads(done.stdout)["error"]["details"]["step"] == "repository"


def test_a_failing_task_names_the_step_the_reason_and_the_log(program: Program) -> None:
    done = program.run("demo", "--json", "--agent", "claude-code", PATH="/usr/bin:/bin")
    assert done.returncode == 1
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    assert error["details"]["step"] == "implement"
    assert "pullyard worker agents install claude-code" in error["message"]
    assert Path(program.data).exists()
