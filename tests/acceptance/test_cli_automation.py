"""``pullyard automation`` on a real system: what it says to people and to programs."""

import pytest

from tests.cli_program import Program

LIST = "# Plan\n\n- [ ] First\n  - colour: red\n- [ ] Second\n  - after: First\n"
AGENT = "basename {prompt_file}; date +%s%N > made-$$.txt"


@pytest.mark.slow
def test_a_list_is_worked_off_and_a_queue_put_in_order(running: Program) -> None:
    shop = running.repository("shop", {"README.md": "A shop.\n", "task_lists.md": LIST})
    more = running.place / "more.md"
    more.write_text("- [ ] three\n")
    running.ok("project", "add", str(shop), "--name", "shop", "--command", AGENT, "--verify", "true")
    said = running.ok("automation", "start", "shop", "--on-error", "skip", "--wait")
    assert "2 of 2 done" in said
    assert "task_lists.md: 0 of 2 items checked, 3 warnings" in said
    synced = running.run("automation", "sync", "shop")
    assert "task_lists.md:4: 'colour' is no field" in synced.stderr
    assert running.ok("automation", "pause", "shop").startswith("paused")
    running.ok("automation", "inject", "shop", "one", "two")
    injected = running.run("automation", "inject", "shop", "-f", str(more), "--before", "shop#3")
    assert "Line 1: It does not say" in injected.stderr
    running.ok("task", "move", "shop#4", "--front")
    shown = running.json("automation", "status", "shop")
    assert (shown["state"], shown["done"], shown["policy"]["on_error"]) == ("paused", 2, "skip")
    assert [task["title"] for task in shown["next"]] == ["two", "three", "one"]
    refused = running.run("automation", "start", "shop")
    assert refused.returncode == 3
    assert "pause, resume, stop" in refused.stderr
    assert running.run("task", "move", "shop#3", "--front", "--end").returncode == 2
    assert running.run("automation", "inject", "shop", "-f", "/nowhere").returncode == 2
