"""From a labelled issue to a merged change with one round of review, told by webhooks alone: nobody polls."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.test_review_loop import AGENT, server, task_number
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.forges.deliveries import FORGES, GITHUB, GITLAB
from tests.forges.server import ForgeServer, Spoken
from tests.repositories import branches_of, git_in
from tests.system import PATIENCE_SECONDS, System
from tests.webhooks import Hooked

__all__ = ["server"]
SETTINGS = {"change_look_seconds": 3600, "caretaker_seconds": 0.1, "public_url": "https://yard.test"}
SHAPES = {"github": (GITHUB, "Codertocat/Hello-World"), "gitlab": (GITLAB, "diaspora/web/shop")}


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, **SETTINGS) as running:
        yield running


def there(server: ForgeServer, kind: str, event: tuple[str, Any]) -> tuple[str, Any]:
    """The same event at the server's repository."""
    page, name = SHAPES[kind]
    text = json.dumps(event[1]).replace(page, server.url.removesuffix(".git")).replace(name, server.name)
    return event[0], json.loads(text)


async def until_approved(system: System, task: dict[str, Any]) -> None:
    cursor = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not ((await system.change(task))["forge_status"] or {}).get("approved"):
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])


@pytest.mark.parametrize(("server", "kind"), [(kind, kind) for kind in SHAPES], indirect=["server"])
async def test_what_a_forge_tells_leads_to_a_merged_change(
    system: System, server: ForgeServer, kind: str
) -> None:
    forge = FORGES[kind]
    events = {"trusted": forge.trusts, "quiet_seconds": 0}
    project = await system.project(
        server.url, agent=AGENT, verify_commands=[["test", "-f", "result.txt"]], forge_events=events
    )
    wish = {"forge": kind}
    hook = await system.coordinator.post(f"/projects/{project}/webhooks", wish)
    told = Hooked(system.coordinator, forge, project, hook)
    assert hook["url"] == f"https://yard.test/webhooks/v1/{hook['id']}"
    number = server.issue("ada", title="Say it", body="Once is enough.").number
    made = await told.verdict(*there(server, kind, forge.labelled(number)))
    task = await task_number(system, project, 1)
    assert made["task_id"] == task["id"]
    [offered] = server.changes
    assert f"\n\nCloses #{number}.\n\n" in offered.body
    first = branches_of(server.repository)[offered.branch]
    offered.spoken = [Spoken("ada", "Say it twice.", path="result.txt", line=1)]
    checked = "suite" if kind == "github" else "pipeline"

    def looked(commit: str) -> tuple[str, Any]:
        return there(server, kind, forge.touching(offered.branch, commit)[checked])

    assert (await told.verdict(*looked(first)))["verdict"] == "look"
    response = await task_number(system, project, 2)
    assert "Say it twice." in response["description"]
    change = await system.change(task)
    assert git_in(server.repository, "rev-parse", f"{change['commit']}^") == first
    offered.reviews = [("ada", "approved")]
    assert (await told.verdict(*looked(change["commit"])))["change_id"] == change["id"]
    await until_approved(system, task)
    merged = server.merge(offered, "By hand")
    push = there(server, kind, forge.touching(offered.branch, change["commit"])["push"])
    assert (await told.verdict(*push))["verdict"] == "look"
    assert (await system.change_in_state(task, "merged"))["merged_commit"] == merged
