"""What the program says without a coordinator: versions, usage, and one sentence for each mistake."""

import json

import pytest

from tests.cli_program import Program


def test_says_its_version(program: Program) -> None:
    assert program.ok("--version").startswith("pullyard 0.")


def test_help_names_every_command_without_starting_anything(program: Program) -> None:
    words = program.ok("--help").split()
    assert {"demo", "up", "server", "worker", "doctor", "login", "project", "task", "logs", "change"} <= {
        *words
    }
    assert not program.data.exists()


def test_no_coordinator_is_known(program: Program) -> None:
    done = program.run("project", "list")
    assert done.returncode == 2
    assert "pullyard up" in done.stderr
    assert done.stdout == ""


def test_nobody_answers(program: Program) -> None:
    done = program.run("task", "list", "--json", PULLYARD_URL="http://127.0.0.1:1")
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "Is 'pullyard up' running?" in done.stderr
    assert json.loads(done.stdout)["error"]["code"] == "unreachable"


def test_a_database_out_of_reach_is_one_sentence(program: Program) -> None:
    address = "postgresql://u:secret@127.0.0.1:1/x"
    done = program.run("server", "--port", "0", PULLYARD_DATABASE_URL=address)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Postgres can't be reached at postgresql://u:***@127.0.0.1:1/x" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["task", "add", "shop", "x", "--verify", "a 'b"], "can't be split"),
        (["task", "add", "shop", "x", "--verify", "  "], "empty"),
        (["task", "add", "shop", "x", "--agent-option", "a=1"], "--agent"),
        (["task", "add", "shop", "x", "--agent", "command", "--agent-option", "=1"], "KEY=VALUE"),
        (["task", "add", "shop", "x", "--agent", "demo", "--command", "ls"], "leave one of them out"),
        (["project", "add", "https://example.org/shop", "--max-running", "0"], "max running"),
        (["logs", "shop#1", "--raw", "--json"], "both"),
        (["logs", "shop#1", "--lines", "1-5", "--search", "x"], "one after the other"),
        (["logs", "shop#1", "--lines", "1-5", "-f"], "leave it out"),
        (["logs", "shop#1", "--search", "x", "--raw"], "leave --raw out"),
        (["login", "nonsense://x", "--token", "t"], "nonsense"),
    ],
)
def test_a_wrong_value_is_one_sentence(program: Program, arguments: list[str], says: str) -> None:
    done = program.run(*arguments, PULLYARD_URL="http://127.0.0.1:1")
    assert done.returncode in (2, 4)
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_command_is_a_usage_error(program: Program) -> None:
    done = program.run("prject", "list")
    assert done.returncode == 2
    assert "prject" in done.stderr


def test_a_broken_profile_is_named(program: Program) -> None:
    program.data.mkdir()
    (program.data / "profile.json").write_text("{")
    done = program.run("project", "list")
    assert done.returncode == 2
    assert str(program.data / "profile.json") in done.stderr
