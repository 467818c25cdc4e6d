"""What a machine's sandboxes were measured to hold, as people ask for it and demand it."""

import json

from tests.cli_program import Program


def test_doctor_measures_each_step_escape_and_bound(program: Program) -> None:
    done = program.run("doctor", "--backend", "bubblewrap", "--json")
    document = json.loads(done.stdout)
    (found,) = document["sandboxes"]
    assert done.returncode == 0
    assert document["usable"] is True
    assert list(found["phases"]) == ["provision", "first", "destroy"]
    assert len(found["escapes"]) > 20
    assert all(found["escapes"].values())
    assert found["level"] == ("hardened" if found["bounds"] and all(found["bounds"].values()) else "isolated")
    assert "bubblewrap" in done.stderr, "the table of people"
    assert {finding["name"] for finding in document["findings"]} >= {"git", "postgres", "disk"}


def test_doctor_fails_below_the_level_that_is_asked_for(program: Program) -> None:
    done = program.run("doctor", "--backend", "unsafe-directory", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["usable"] is False
    (found,) = document["sandboxes"]
    assert (found["level"], set(found["escapes"].values())) == (None, {False})
    both = program.run("doctor", "--backend", "bubblewrap", "--backend", "unsafe-directory")
    assert both.returncode == 1, "each that is named has to be usable"
    unknown = program.run("doctor", "--backend", "chroot")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "name one of" in unknown.stderr


def test_a_level_is_shown_demanded_and_taken_back(running: Program) -> None:
    running.ok("project", "add", str(running.repository("other")), "--verify", "true")
    running.ok("task", "add", "other", "Say more", "--command", "echo more >> README.md", "--wait")
    (worker,) = running.json("worker", "list")
    assert "level=isolated" in worker["labels"]
    assert "LEVEL" in running.ok("worker", "list")
    shown = running.ok("worker", "show", worker["name"])
    assert "held" in shown.partition("SANDBOX")[2]
    wish = ["--sandbox", "docker", "--level", "hardened", "--cpus", "1.5", "--memory", "512MiB"]
    added = running.json("project", "add", str(running.repository()), *wish, "--image", "python:3.12")
    assert (
        added["isolation"]["sandbox"] | {"image": "python:3.12", "memory_bytes": 512 << 20}
        == (added["isolation"]["sandbox"])
    )
    running.ok("task", "add", "shop", "Say more", "--command", "echo more >> README.md")
    if "sandbox=docker" not in worker["labels"]:
        assert "sandbox=docker" in running.json("task", "show", "shop#1")["task"]["unmet_labels"]
    edited = running.json("project", "edit", "shop", "--sandbox", "any", "--level", "any", "--push-salvage")
    kept = edited["isolation"]["sandbox"]
    assert (kept["backend"], kept["level"], kept["cpus"]) == (None, None, 1.5)
    assert (edited["labels"], edited["isolation"]["salvage"]) == ([], {"push": True})
    wrong = running.run("project", "edit", "shop", "--memory", "much")
    assert (wrong.returncode, wrong.stderr) == (2, "--memory wants a size such as 4GiB, not 'much'.\n")
