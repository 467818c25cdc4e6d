"""``pullyard up`` and the commands against it, as the README shows them."""

import json
import socket
import subprocess
from typing import Any

from tests.cli_program import PROGRAM, Program

EDIT = "echo more >> README.md && echo edited by {title}"


def add_project(program: Program, *options: str) -> dict[str, Any]:
    return program.json("project", "add", str(program.repository()), *options)


def test_a_task_becomes_a_merged_change(running: Program) -> None:
    project = add_project(running, "--verify", "grep more README.md")
    assert project["name"] == "shop"
    added = running.json("task", "add", "shop", "Say more", "--command", EDIT, "--wait")
    assert added["task"]["state"] == "completed"
    assert "edited by Say more" in running.ok("logs", "shop#1", "-f")
    assert "+more" in running.ok("change", "diff", "shop#1")
    assert running.json("change", "merge", "shop#1")["state"] == "merged"
    assert running.git("-C", running.place / "shop.git", "show", "main:README.md") == "hello\nmore"


def test_a_task_without_any_agent_is_refused_at_once(running: Program) -> None:
    add_project(running)
    refused = running.run("task", "add", "shop", "Say more")
    assert running.json("task", "list", "shop") == []
    assert refused.returncode == 2
    assert "--agent claude-code" in refused.stderr


def test_wait_ends_with_the_tasks_failure(running: Program) -> None:
    add_project(running)
    done = running.run("task", "add", "shop", "x", "--command", "echo no; exit 3", "--wait", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["task"]["reason"] == "agent_failed"
    assert "no" in done.stderr


def test_logs_follow_a_running_task_and_raw_gives_the_bytes(running: Program) -> None:
    line = r"printf '\033]0;owned\007title\377\n'; echo x > new"
    add_project(running)
    running.ok("task", "add", "shop", "Print", "--command", line)
    followed = running.ok("logs", "shop#1", "-f")
    raw = subprocess.run(
        [PROGRAM, "logs", "shop#1", "--raw"], capture_output=True, env=running.environment, check=True
    )
    shown = running.ok("logs", "shop#1", "--lines", "1-")
    found = running.ok("logs", "shop#1", "--search", "TITLE", "--ignore-case")
    bytes_of_lines = subprocess.run(
        [PROGRAM, "logs", "shop#1", "--lines", "1-", "--raw"],
        capture_output=True,
        env=running.environment,
        check=True,
    )
    match = running.json("logs", "shop#1", "--search", "title", "-C", "2")["matches"][0]
    assert "title\ufffd" in followed
    assert f"{match['line']:>6}  title\ufffd" in shown
    assert f"{match['line']:>6}: title\ufffd" in found
    assert "\x1b" not in shown + found
    assert bytes_of_lines.stdout == raw.stdout
    assert "\x1b" not in followed
    assert b"\x1b]0;owned\x07title\xff\n" in raw.stdout


def test_a_killed_up_continues_where_it_was(program: Program) -> None:
    with program.up() as first:
        add_project(program)
        program.ok("task", "add", "shop", "Say more", "--command", f"sleep 3; {EDIT}")
        wait_for_the_agent(program)
        first.kill()
    with program.up():
        last = program.run("logs", "shop#1", "-f", "--json")
        task = json.loads(last.stdout.splitlines()[-1])["task"]
    assert task["state"] == "completed", last.stderr


def wait_for_the_agent(program: Program) -> None:
    """Until the agent runs: its phase's stream is there."""
    follower = subprocess.Popen(
        [PROGRAM, "logs", "shop#1", "-f"], stdout=subprocess.PIPE, text=True, env=program.environment
    )
    assert follower.stdout is not None
    assert any("==> implement" in line for line in follower.stdout)
    follower.kill()
    follower.communicate()


def test_a_second_up_names_the_first(program: Program) -> None:
    with program.up() as first:
        done = program.run("up", "--port", "0")
    assert done.returncode == 3
    assert str(first.process.pid) in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_a_sentence(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = program.run("up", "--port", str(port))
    assert done.returncode == 3
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_login_refuses_a_wrong_token_and_keeps_a_right_one_private(program: Program) -> None:
    with program.up() as up:
        url = up.said["url"]
        wrong = program.run("login", url, stdin="nonsense\n")
        assert (wrong.returncode, wrong.stderr.count("\n")) == (5, 1)
        token = program.json("token", "create", "laptop")["secret"]
        program.ok("login", url, stdin=token + "\n")
        profile = program.home / ".config/pullyard/profile.json"
        assert profile.stat().st_mode & 0o777 == 0o600
        elsewhere = {"PULLYARD_DATA": ""}
        assert program.run("token", "list", **elsewhere).returncode == 0
        program.ok("token", "revoke", program.json("token", "list")[0]["id"])
        assert program.run("token", "list", **elsewhere).returncode == 5


def test_what_is_not_there_is_named(running: Program) -> None:
    add_project(running)
    for arguments, says in [
        (["project", "show", "nothing"], "'nothing'"),
        (["task", "show", "shop#9"], "no task 9"),
        (["task", "show", "task_00000000000000000000000000"], "no task task_0"),
        (["change", "diff", "chg_00000000000000000000000000"], "no change chg_0"),
    ]:
        done = running.run(*arguments)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        assert says in done.stderr
    assert running.run("task", "show", "nonsense").returncode == 2
    assert running.run("project", "add", str(running.place / "shop.git")).returncode == 3


def test_it_ends_in_good_order_and_leaves_no_process(program: Program) -> None:
    with program.up() as up:
        assert len(program.processes()) >= 3
        assert up.stop() == 0
    assert program.processes() == []


def test_a_backup_of_a_running_system_comes_back_elsewhere(program: Program) -> None:
    file, elsewhere = program.place / "all.backup", program.place / "other"
    with program.up() as up:
        add_project(program)
        program.ok("backup", str(file))
        assert program.run("restore", str(file)).returncode == 3
        up.stop()
    program.ok("restore", str(file), "--data", str(elsewhere))
    program.data = elsewhere
    program.environment["PULLYARD_DATA"] = str(elsewhere)
    with program.up():
        assert [project["name"] for project in program.json("project", "list")] == ["shop"]
