"""Two agents on one task by a real worker: by the command line on a bare repository, and on a forge."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.forges.kinds import make_server
from tests.forges.server import TOKEN, ForgeServer, serve_forge
from tests.repositories import branches_of, make_bare_clone, make_repository
from tests.system import System

BRIEF, LONG = "echo one > result.txt", "seq 30 > result.txt; touch more.txt"


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, change_look_seconds=0.1, caretaker_seconds=0.1) as running:
        yield running


@pytest.fixture
async def server(system: System) -> AsyncIterator[ForgeServer]:
    author = make_repository(system.root / "author", {"README": "one\n"})
    make_bare_clone(author, system.root / "served" / "acme" / "widgets.git")
    with serve_forge(make_server("github", system.root / "served")) as served:
        yield served
    assert served.wrong == []


def test_one_of_two_agents_is_chosen_by_the_command_line(running: Program) -> None:
    shop = running.repository()
    running.json("project", "add", str(shop), "--verify", "test -f result.txt", "--max-running", "2")
    candidates = ("--candidate", f"command:{BRIEF}", "--candidate", json.dumps(agent(LONG)["agent"]))
    said = running.ok("compare", "add", "shop", "Say it", *candidates, "--dollars", "2.50")
    assert "each candidate may cost $2.50, which is $5.00 together" in said
    assert ": shop#1, shop#2." in said
    ready = running.json("compare", "show", "shop#2", "--wait")
    assert ready["state"] == "ready"
    assert [one["files"] for one in ready["candidates"]] == [1, 2]
    table = running.ok("compare", "show", "shop#1").splitlines()
    assert [line.split()[:2] for line in table if line.startswith("shop#")] == [
        ["shop#1", "command:echo"],
        ["shop#2", "command:seq"],
    ]
    assert "  passed  2      +30 -0" in table[4]
    kept, closed = (one["branch"] for one in ready["candidates"])
    assert {kept, closed} < set(branches_of(shop))
    early = running.run("change", "merge", "shop#1")
    assert early.returncode == 3
    assert "choose it first" in early.stderr
    assert running.ok("compare", "choose", "shop#1") == "Chose task 1.\n"
    assert set(branches_of(shop)) == {"main", kept}
    late = running.run("compare", "choose", "shop#2")
    assert late.returncode == 3
    assert "chose task #1" in late.stderr
    merged = running.json("change", "merge", "shop#1")
    assert merged["merged_commit"] == branches_of(shop)["main"]
    assert [one["state"] for one in running.json("compare", "list", "shop")] == ["chosen"]


def test_what_is_no_candidate_is_told_in_a_sentence(running: Program) -> None:
    running.json("project", "add", str(running.repository()))
    for candidates in (["codex:"], ["codex"], ["{", "codex"]):
        options = [word for one in candidates for word in ("--candidate", one)]
        done = running.run("compare", "add", "shop", "Say it", *options)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    running.json("task", "add", "shop", "Alone", "--command", "true", "--draft")
    for verb in ("show", "choose"):
        done = running.run("compare", verb, "shop#1")
        assert done.returncode in (2, 3)
        assert "is no candidate of a comparison" in done.stderr


def agent(command: str) -> dict[str, Any]:
    return {"agent": {"name": "command", "settings": {"command": command}}}


async def test_candidates_are_drafts_on_the_forge_until_one_is_chosen(
    system: System, server: ForgeServer
) -> None:
    token = system.root / "token"
    token.write_text(f"{TOKEN}\n")
    site = {"kind": "github", "token_file": str(token)}
    await system.start_worker(forges=json.dumps({server.host: site}))
    project_id = await system.project(
        server.url, verify_commands=[["true"]], max_running=2, change_rules={"draft": False}
    )
    wish = {"title": "Say it", "candidates": [agent(BRIEF), agent(LONG)]}
    made = await system.coordinator.post(f"/projects/{project_id}/comparisons", wish)
    tasks = [await system.ended({"id": one["task_id"]}) for one in made["candidates"]]
    assert [task["state"] for task in tasks] == ["completed"] * 2
    assert len(server.changes) == 2
    for opened in server.changes:
        assert (opened.draft, opened.state) == (True, "open")
        assert "**One of 2 candidates** for the same task." in opened.body
    path = f"/comparisons/{made['id']}"
    await system.coordinator.post(f"{path}/choose", {"task_id": tasks[1]["id"]}, status=200)
    await system.change_in_state(tasks[0], "closed")
    shown = await system.coordinator.get(path)
    states = {one.branch: one.state for one in server.changes}
    assert [states[one["branch"]] for one in shown["candidates"]] == ["closed", "open"]
    assert set(branches_of(server.repository)) == {"main", shown["candidates"][1]["branch"]}
