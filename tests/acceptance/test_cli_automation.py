"""``pullyard automation`` on a real system: what it says to people and to programs."""

import pytest

from tests.cli_program import Program, program

__all__ = ["program"]

LIST = "# Plan\n\n- [ ] First\n  - colour: red\n- [ ] Second\n  - after: First\n"
AGENT = "basename {prompt_file}; date +%s%N > made-$$.txt"


@pytest.mark.slow
def test_a_list_is_worked_off_and_a_queue_put_in_order(program: Program) -> None:
    shop = program.repository("shop", {"README.md": "A shop.\n", "task_lists.md": LIST})
    more = program.place / "more.md"
    more.write_text("- [ ] three\n")
    with program.up():
        program.ok("project", "add", str(shop), "--name", "shop", "--command", AGENT, "--verify", "true")
        said = program.ok("automation", "start", "shop", "--on-error", "skip", "--wait")
        assert "2 of 2 done" in said
        assert "task_lists.md: 0 of 2 items checked, 3 warnings" in said
        synced = program.run("automation", "sync", "shop")
        assert "task_lists.md:4: 'colour' is no field" in synced.stderr
        assert program.ok("automation", "pause", "shop").startswith("paused")
        program.ok("automation", "inject", "shop", "one", "two")
        injected = program.run("automation", "inject", "shop", "-f", str(more), "--before", "shop#3")
        assert "Line 1: It does not say" in injected.stderr
        program.ok("task", "move", "shop#4", "--front")
        shown = program.json("automation", "status", "shop")
        assert (shown["state"], shown["done"], shown["policy"]["on_error"]) == ("paused", 2, "skip")
        assert [task["title"] for task in shown["next"]] == ["two", "three", "one"]
        refused = program.run("automation", "start", "shop")
        assert refused.returncode == 3
        assert "pause, resume, stop" in refused.stderr
        assert program.run("task", "move", "shop#3", "--front", "--end").returncode == 2
        assert program.run("automation", "inject", "shop", "-f", "/nowhere").returncode == 2
