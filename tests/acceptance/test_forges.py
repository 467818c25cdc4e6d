"""From a task to a merged pull request, over a forge of ours that speaks GitHub's API."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.coordinator import RunningCoordinator, running_coordinator
from tests.forges.kinds import make_server
from tests.forges.server import TOKEN, ForgeServer, serve_forge
from tests.repositories import branches_of, git_in, make_bare_clone, make_repository
from tests.system import PATIENCE_SECONDS, System

SETTINGS = {"change_look_seconds": 0.1, "caretaker_seconds": 0.1, "public_url": "https://yard.test"}
TEMPLATE = "## How to look at it\n\n<!-- Say it. -->\n- [ ] By @ada\n"


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    """One that looks at changes all the time."""
    async with running_coordinator(database_url, **SETTINGS) as running:
        yield running


@pytest.fixture
async def server(system: System) -> AsyncIterator[ForgeServer]:
    author = make_repository(
        system.root / "author", {"README": "one\n", ".github/pull_request_template.md": TEMPLATE}
    )
    make_bare_clone(author, system.root / "served" / "acme" / "widgets.git")
    with serve_forge(make_server("github", system.root / "served")) as served:
        yield served
    assert served.wrong == []


@pytest.fixture
def signing_key(system: System) -> Path:
    """Beside it, whom git is to believe."""
    key = system.root / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    key.with_name("key.allowed").write_text(f"yard@example.test {key.with_suffix('.pub').read_text()}")
    return key


async def start_worker(system: System, server: ForgeServer, **more: str) -> None:
    token = system.root / "token"
    token.write_text(f"{TOKEN}\n")
    site = {"kind": "github", "token_file": str(token)}
    await system.start_worker(forges=json.dumps({server.host: site}), **more)


async def project_at(system: System, server: ForgeServer, **fields: Any) -> str:
    return await system.project(server.url, verify_commands=[["test", "-f", "result.txt"]], **fields)


async def test_a_task_becomes_a_draft_and_is_merged_through_the_api(
    system: System, server: ForgeServer, signing_key: Path
) -> None:
    mail = "yard@example.test"
    await start_worker(system, server, commit_signing_key=str(signing_key), commit_email=mail)
    rules = {"labels": ["bot"], "reviewers": ["ada", "nobody"], "branch_prefix": "pullyard/of-us/"}
    project = await project_at(system, server, change_rules=rules)
    criteria = ["`test -f result.txt` passes", "It reads well"]
    task = await system.task(project, "echo done > result.txt", title="Say it", acceptance_criteria=criteria)
    ended = await system.ended(task)
    assert (ended["state"], ended["message"]) == ("completed", "")
    [opened] = server.changes
    change = await system.change(ended)
    assert (opened.draft, opened.title, opened.base) == (True, "Say it", "main")
    assert (change["url"], change["branch"]) == (server.page(opened, "pull"), opened.branch)
    assert opened.branch.startswith("pullyard/of-us/1-say-it-")
    assert "- [x] `test -f result.txt` passes (`test -f result.txt` passed)\n- [ ] It reads" in opened.body
    assert "## How to look at it\n\n- [ ] By @\u2060ada\n\n**Verified**" in opened.body
    assert f"[task 1](https://yard.test/tasks/{task['id']})" in opened.body
    assert opened.labels == ["bot"]
    signed = ("-c", f"gpg.ssh.allowedSignersFile={signing_key}.allowed", "log", "-1", "--format=%G? %ae %ce")
    assert git_in(server.repository, *signed, opened.branch) == f"G {mail} {mail}"
    log = await system.log(ended["execution_id"], "publish")
    assert b"Reviewers not taken: " in log
    assert b"not nobody" in log
    await system.coordinator.post(f"/changes/{change['id']}/merge", status=202)
    merged = await system.change_in_state(ended, "merged")
    assert (opened.state, opened.draft) == ("merged", False)
    assert merged["merged_commit"] == branches_of(server.repository)["main"]
    assert git_in(server.repository, "show", "main:result.txt") == "done"
    assert TOKEN not in system.worker_log


async def test_a_lost_answer_and_a_killed_worker_leave_one_change(
    system: System, server: ForgeServer
) -> None:
    await start_worker(system, server)
    # The change is opened, its answer is lost, and whoever looks it up again is killed.
    server.fault("POST", "/pulls$", done=True)
    asked = system.root / "asked"
    server.fault("GET", "/pulls$")
    server.fault("GET", "/pulls$", times=20, before=lambda: asked.touch())
    task = await system.task(await project_at(system, server), "echo done > result.txt")
    await system.until_there("asked")
    await system.kill_worker()
    server.faults.clear()
    await start_worker(system, server)
    ended = await system.ended(task)
    assert (ended["state"], len(server.changes)) == ("completed", 1)
    assert (await system.change(ended))["url"] == server.page(server.changes[0], "pull")


async def test_what_is_not_configured_is_told_before_an_agent_works(
    system: System, server: ForgeServer
) -> None:
    await system.start_worker()
    project = await project_at(system, server, forge="github")
    ended = await system.ended(await system.task(project, "echo done > result.txt"))
    assert (ended["state"], ended["reason"]) == ("failed", "forge_refused")
    assert f'forges."{server.host}".token in its settings' in ended["message"]
    assert server.asked == []


async def test_what_happens_on_the_forge_is_seen(system: System, server: ForgeServer) -> None:
    await start_worker(system, server)
    project = await project_at(system, server)
    first, second = [
        await system.ended(await system.task(project, f"echo {one} > result.txt")) for one in range(2)
    ]
    server.changes[0].reviews, server.changes[0].checks = [("ada", "approved")], ["failing"]
    seen = await until_seen(system, first, approved=True)
    assert seen["forge_status"] == {"draft": True, "approved": True, "checks": "failing"}
    made = server.merge(server.changes[0], "By hand")
    assert (await system.change_in_state(first, "merged"))["merged_commit"] == made
    server.changes[1].state = "closed"
    closed = await system.change_in_state(second, "closed")
    assert (closed["merged_commit"], closed["errand"]) == (None, None)


async def until_seen(system: System, task: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    cursor = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            change = await system.change(task)
            if wanted.items() <= (change["forge_status"] or {}).items():
                return change
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])
