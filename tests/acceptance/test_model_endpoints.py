"""A real worker and a real Claude Code with a model of an endpoint that the worker's owner named."""

import json
from pathlib import Path

import pytest

from tests.claude_code_program import install_claude_code
from tests.coordinator import coordinator
from tests.model_server import ModelServer, Text, ToolUse
from tests.postgres import database_url, postgres_server
from tests.system import System, system

__all__ = ["coordinator", "database_url", "postgres_server", "system"]

pytestmark = pytest.mark.slow

EDIT = ToolUse("Write", {"file_path": "/ws/hello.txt", "content": "hello\n"}, 1100, 60)
DONE = Text("Done.", 1200, 10)
PRICES = {"vertex-eu": {"as_of": "2026-11-21", "models": [{"prefix": "claude", "input": "1", "output": "2"}]}}


@pytest.fixture(scope="module")
def program() -> Path:
    return install_claude_code()


async def test_a_task_is_done_by_vertex_at_the_owners_prices(
    system: System, program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULLYARD_CLAUDE_CODE", str(program))
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES))
    async with ModelServer([EDIT, DONE]) as server:
        endpoint = {
            "api": "vertex",
            "base_url": f"{server.base_url}/v1/projects/own/locations/eu",
            "key_command": ["echo", "ya29.canary-of-a-command-0123456789"],
        }
        await system.start_worker(
            model_endpoints=json.dumps({"vertex-eu": endpoint}), model_prices=str(prices)
        )
        project = await system.project(system.repository(), verify_commands=[["true"]])
        chosen = {"endpoint": "vertex-eu", "cloud": "vertex", "model": "claude-sonnet-4-5@20250929"}
        agent = {"name": "claude-code", "settings": chosen}
        task = await system.coordinator.task(project, agent=agent, labels=["endpoint=vertex-eu"])
        ended = await system.ended(task)
        assert ended["state"] == "completed", ended["message"]
        assert {request.headers["authorization"] for request in server.requests} == {
            "Bearer ya29.canary-of-a-command-0123456789"
        }
    (execution,) = await system.executions(task)
    assert execution["cost_micros"] == 2300 * 1 + 70 * 2


async def test_an_endpoint_that_no_worker_has_is_waited_for_and_told(system: System) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]])
    agent = {"name": "claude-code", "settings": {"endpoint": "elsewhere"}}
    task = await system.coordinator.task(project, agent=agent)
    shown = await system.coordinator.get(f"/tasks/{task['id']}")
    assert (shown["state"], shown["unmet_labels"]) == ("queued", ["endpoint=elsewhere"])
