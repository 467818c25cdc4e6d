"""Webhooks of a forge by the command line."""

import asyncio
from typing import Any

import pytest

from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, coordinator
from tests.forges.deliveries import FORGES
from tests.postgres import database_url, postgres_server
from tests.webhooks import Hooked

__all__ = ["coordinator", "database_url", "postgres_server"]


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_a_webhook_is_made_shown_and_removed(
    program: Program, coordinator: RunningCoordinator, kind: str
) -> None:
    program.environment |= {"PULLYARD_URL": coordinator.url, "PULLYARD_TOKEN": coordinator.token}

    async def shell(*arguments: str) -> Any:
        return await asyncio.to_thread(program.json, *arguments)

    project_id = await coordinator.project(name="shop", repository=FORGES[kind].repository)
    made = await shell("project", "webhook", "add", "shop")
    assert made["url"].startswith(f"{coordinator.url}/webhooks/v1/hook_")
    there = Hooked(coordinator, FORGES[kind], project_id, made)
    asked = there.forge.labelled(label="agent")
    assert (await there.verdict(*asked))["verdict"] == "ignored"
    trust = [word for name in there.forge.trusts for word in ("--trust", name)]
    kept = await shell("project", "forge-events", "shop", "--label", "agent", "--no-checks", *trust)
    assert (kept["label"], kept["respond_to_checks"], kept["rounds"]) == ("agent", False, 3)
    task_id = (await there.verdict(*asked))["task_id"]
    shown = await asyncio.to_thread(program.run, "task", "show", task_id)
    assert there.forge.issue_url(5) in shown.stdout
    told = await asyncio.to_thread(program.run, "project", "webhook", "list", "shop")
    assert task_id in told.stdout
    assert made["secret"] not in told.stdout
    assert (await shell("project", "webhook", "remove", "shop", made["id"])) == {"removed": made["id"]}
    assert (await there.send(*asked)).status_code == 401
    words = await asyncio.to_thread(program.run, "project", "webhook", "add", "shop")
    assert "whsec_" in words.stdout
    assert there.forge.kind != "gitlab" or "Signing token" in words.stdout
