"""From a labelled issue to a merged change, with one round of review, and nobody touches the product."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.coordinator import RunningCoordinator, running_coordinator
from tests.forges import bitbucket, gitea
from tests.forges.kinds import KINDS, make_server
from tests.forges.server import REASON, TOKEN, ForgeServer, Spoken, serve_forge
from tests.repositories import branches_of, git_in, make_bare_clone, make_repository
from tests.system import PATIENCE_SECONDS, System

SETTINGS = {"change_look_seconds": 0.1, "caretaker_seconds": 0.1, "public_url": "https://yard.test"}
AGENT = {"name": "command", "settings": {"command": "echo once more >> result.txt"}}


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, **SETTINGS) as running:
        yield running


@pytest.fixture(params=list(KINDS))
async def server(request: pytest.FixtureRequest, system: System) -> AsyncIterator[ForgeServer]:
    author = make_repository(system.root / "author", {"README": "one\n"})
    make_bare_clone(author, system.root / "served" / "acme" / "widgets.git")
    with serve_forge(make_server(request.param, system.root / "served")) as served:
        token = system.root / "token"
        token.write_text(f"{TOKEN}\n")
        site = {"kind": request.param, "token_file": str(token)}
        if request.param == "bitbucket":
            site["api_url"] = f"http://{served.host}{served.api}"
        await system.start_worker(forges=json.dumps({served.host: site}))
        yield served
    assert served.wrong == []


async def project_at(system: System, server: ForgeServer, **settings: Any) -> str:
    events = {"poll_issues": True, "quiet_seconds": 0, **settings}
    return await system.project(
        server.url, agent=AGENT, verify_commands=[["test", "-f", "result.txt"]], forge_events=events
    )


async def task_number(system: System, project: str, number: int) -> dict[str, Any]:
    """Once it has ended well."""
    cursor = 0
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                page = await system.coordinator.get(f"/tasks?project_id={project}")
                found = [one for one in page["items"] if one["number"] == number]
                if found:
                    ended = await system.ended(found[0])
                    assert (ended["state"], ended["message"]) == ("completed", "")
                    return ended
                page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
                cursor = int(page["next"])
    except TimeoutError:
        pytest.fail(f"there is no task {number}:\n{system.worker_log[-4000:]}")


async def until_approved(system: System, task: dict[str, Any]) -> None:
    cursor = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not ((await system.change(task))["forge_status"] or {}).get("approved"):
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])


async def until_attention(system: System, task: dict[str, Any]) -> dict[str, Any]:
    cursor = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (change := await system.change(task))["attention"] is None:
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])
    return change


async def test_an_issue_becomes_a_merged_change_with_a_round_of_review(
    system: System, server: ForgeServer
) -> None:
    issue = server.issue("ada", title="Say it", body="Once is enough.")
    project = await project_at(system, server)
    task = await task_number(system, project, 1)
    assert "Once is enough." in task["description"]
    [offered] = server.changes
    first = branches_of(server.repository)[offered.branch]
    offered.spoken = [
        Spoken("mallory", "Take it all out."),
        Spoken("ada", "Say it twice.", path="result.txt", line=1),
        Spoken("ada", "And mind the README.", path="README", line=1),
    ]
    server.fault("POST", "/(replies|discussions/.+/notes)$", 404)
    response = await task_number(system, project, 2)
    change = await system.change(task)
    assert response["change_id"] == change["id"]
    assert git_in(server.repository, "rev-parse", f"{change['commit']}^") == first
    assert branches_of(server.repository)[offered.branch] == change["commit"]
    # The change says which commit answers whom.
    [said] = offered.comments
    assert change["commit"][:12] in said
    assert "Say it twice." in said
    assert "And mind the README." in said
    assert "Take it all out." not in response["description"]
    # So does each remark's own thread that takes an answer; Gitea's API knows none, Bitbucket's takes all.
    answered = {gitea.API: [], bitbucket.API: [1, 2]}.get(server.api, [2])
    assert sorted(offered.replies) == answered
    log = await system.log(response["execution_id"], "publish")
    assert (b"Not every remark could be answered" in log) == (answered == [2])
    assert b"It could not be said at the change" not in log
    assert all(change["commit"] in text for [text] in offered.replies.values())
    offered.reviews = [("ada", "approved")]
    await until_approved(system, task)
    made = server.merge(offered, "By hand")
    merged = await system.change_in_state(task, "merged")
    assert (merged["merged_commit"], merged["attention"]) == (made, None)
    assert git_in(server.repository, "show", "main:result.txt") == "once more\nonce more"
    [told] = issue.comments
    assert f"[task 1](https://yard.test/tasks/{task['id']})" in told
    page = await system.coordinator.get(f"/tasks?project_id={project}")
    assert len(page["items"]) == 2
    assert TOKEN not in system.worker_log


@pytest.mark.parametrize("server", ["gitlab"], indirect=True)
async def test_failing_checks_are_mended_once_for_each_commit(system: System, server: ForgeServer) -> None:
    server.issue("ada")
    server.fault("POST", "/notes$", 401, times=9999)
    project = await project_at(system, server, rounds=1)
    task = await task_number(system, project, 1)
    # They fail for ever: it ends with the rounds.
    unread = server.fault("GET", "/discussions$", 403, times=9999, body={"message": "insufficient_scope"})
    change = await until_attention(system, task)
    assert "can't be read" in change["attention"]
    assert "insufficient_scope" in change["attention"]
    # Nor does rubbish there hide how the change stands.
    unread.status, unread.body = 200, "no"
    server.changes[0].reviews = [("ada", "approved")]
    await until_approved(system, task)
    server.changes[0].checks = ["failing"]
    unread.times = 0
    # The work is done, and stays so where nothing can be said of it.
    response = await task_number(system, project, 2)
    assert response["title"].startswith("Mend the checks of: ")
    # The agent is told what they said, and nobody who may only see the change.
    assert REASON in response["description"]
    change = await system.change(task)
    public = [one.body["body"] for one in server.posts("merge_requests/1/notes$")]
    public += [git_in(server.repository, "log", "-1", "--format=%B", change["commit"]), change["body"]]
    assert all(REASON not in one for one in public)
    assert all("1. Checks of " in one for one in public[:-1])
    change = await until_attention(system, task)
    assert change["attention"].startswith("It was answered once and there is more to answer")
    page = await system.coordinator.get(f"/tasks?project_id={project}")
    assert len(page["items"]) == 2
    assert (server.changes[0].comments, server.issues[0].comments) == ([], [])
    assert b"It could not be said at the change" in await system.log(response["execution_id"], "publish")
    # An issue that can't be told of its task holds up no other one.
    server.issue("ada")
    await task_number(system, project, 3)
