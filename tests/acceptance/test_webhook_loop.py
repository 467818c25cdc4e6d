"""From a labelled issue to a merged change with one round of review, told by webhooks alone: nobody polls."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.test_review_loop import AGENT, server, task_number, until_approved
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.forges.deliveries import BITBUCKET, FORGES, GITEA, GITHUB, GITLAB
from tests.forges.server import ForgeServer, Spoken
from tests.repositories import git_in
from tests.system import System
from tests.webhooks import Hooked

__all__ = ["server"]
SETTINGS = {"change_look_seconds": 3600, "caretaker_seconds": 0.1, "public_url": "https://yard.test"}
SHAPES = {
    "github": (GITHUB, "Codertocat/Hello-World"),
    "gitlab": (GITLAB, "diaspora/web/shop"),
    "gitea": (GITEA, "gitea/webhooks"),
    "bitbucket": (BITBUCKET, "team/shop"),
}
EVENTS = {
    "github": ("suite", "pull_request_review submitted", "pull_request closed"),
    "gitlab": ("pipeline", "approved", "push"),
    "gitea": ("run", "reviewed", "closed"),
    "bitbucket": ("status", "approved", "merged"),
}
"""That its checks have ended, that somebody approved it, and that it is merged."""


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, **SETTINGS) as running:
        yield running


def there(server: ForgeServer, kind: str, event: tuple[str, Any], change_url: str = "") -> tuple[str, Any]:
    """The same event at the server's repository, and at that change."""
    page, name = SHAPES[kind]
    text = json.dumps(event[1]).replace(FORGES[kind].change_url, change_url)
    text = text.replace(page, server.url.removesuffix(".git")).replace(name, server.name)
    return event[0], json.loads(text)


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
    # Bitbucket closes issues by the words of commits only.
    assert (f"\n\nCloses #{number}.\n\n" in offered.body) == (kind != "bitbucket")
    change = await system.change(task)
    offered.spoken = [Spoken("ada", "Say it twice.", path="result.txt", line=1)]
    checked, approved, closed = EVENTS[kind]

    async def touched(name: str) -> dict[str, Any]:
        events = forge.touching(offered.branch, change["commit"])
        return await told.verdict(*there(server, kind, events[name], change["url"]))

    assert (await touched(checked))["verdict"] == "look"
    response = await task_number(system, project, 2)
    assert "Say it twice." in response["description"]
    first, change = change, await system.change(task)
    assert git_in(server.repository, "rev-parse", f"{change['commit']}^") == first["commit"]
    offered.reviews = [("ada", "approved")]
    assert (await touched(approved))["change_id"] == change["id"]
    await until_approved(system, task)
    merged = server.merge(offered, "By hand")
    assert (await touched(closed))["verdict"] == "look"
    assert (await system.change_in_state(task, "merged"))["merged_commit"] == merged
