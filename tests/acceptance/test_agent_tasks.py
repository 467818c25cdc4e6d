"""Agents' real programs through the whole product: from a task to a change."""

import os
from collections.abc import Mapping

import pytest

from tests.agent_plays import PLAYS
from tests.agent_programs import shelf_with
from tests.canaries import database_dump, leaks
from tests.eventually import eventually
from tests.model_server import ModelServer
from tests.repositories import git_in
from tests.system import System

pytestmark = pytest.mark.slow

KEY = "sk-canary-1234567890abcdef"


def provider_at(server: ModelServer) -> Mapping[str, str]:
    return {
        "openai_api_key": KEY,
        "openai_base_url": server.base_url,
        "gemini_api_key": KEY,
        "gemini_base_url": server.base_url,
    }


async def workers_of(system: System) -> object:
    return (await system.coordinator.get("/workers"))["items"]


@pytest.mark.parametrize("name", ["codex", "gemini"])
async def test_a_task_waits_for_a_worker_with_its_agent_and_becomes_a_change(
    name: str, system: System
) -> None:
    play = PLAYS[name]
    repository = system.repository({"greeting.txt": "helo world\n"})
    async with ModelServer([play.look or play.fix[0], *play.fix, *play.done]) as server:
        project = await system.project(repository, verify_commands=[["grep", "hello", "greeting.txt"]])
        task = await system.task(project, "", agent={"name": name, "settings": {}})
        waiting = await system.coordinator.get(f"/tasks/{task['id']}")
        assert waiting["unmet_labels"] == [f"agent={name}"]
        system.worker_data.mkdir(exist_ok=True)
        await system.start_worker(**provider_at(server))
        await eventually(lambda: workers_of(system))
        # An install is seen by the worker that runs.
        os.symlink(shelf_with(name).directory, system.worker_data / "agents")
        ended = await system.ended(task)
    assert ended["state"] == "completed", (ended["message"], system.worker_log[-3000:])
    change = await system.change(ended)
    assert git_in(repository, "show", f"{change['branch']}:greeting.txt") == "hello world"
    (execution,) = await system.executions(task)
    assert execution["cost_micros"] > 0
    streams = {one: await system.log(execution["id"], one) for one in ("implement", "conversation")}
    stored = await database_dump(system.coordinator.served.services.database)
    left = {
        str(path): path.read_bytes()
        for path in system.worker_data.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    said = {"the worker's log": system.worker_log.encode(), "the database": stored}
    assert leaks([KEY], {**streams, **said, **left}) == []
