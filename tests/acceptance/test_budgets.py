"""A real worker and a real Claude Code run out of a shared budget, or into a provider's limit."""

from pathlib import Path

import pytest

from tests.claude_code_program import install_claude_code
from tests.coordinator import coordinator
from tests.model_server import Failure, ModelServer, Text, ToolUse
from tests.postgres import database_url, postgres_server
from tests.system import System, system

__all__ = ["coordinator", "database_url", "postgres_server", "system"]

pytestmark = pytest.mark.slow

READ = ToolUse("Read", {"file_path": "/ws/README.md"}, 1000, 50)
EDIT = ToolUse("Edit", {"file_path": "/ws/README.md", "old_string": "hello", "new_string": "hallo"}, 1100, 60)
DONE = Text("Done.", 1200, 10)


@pytest.fixture(scope="module")
def program() -> Path:
    return install_claude_code()


async def test_an_agent_waits_for_a_person_to_raise_the_budget(
    system: System, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLYARD_CLAUDE_CODE", str(program))
    api = system.coordinator
    wish = {"scope": "tenant", "period": "day", "limit_micros": 1_000}
    assert (await api.http.put("/api/v1/budgets", json=wish)).status_code == 200
    async with ModelServer([READ, EDIT, DONE]) as server:
        await system.start_worker(anthropic_api_key="sk-ant-canary-7", anthropic_base_url=server.base_url)
        project = await system.project(system.repository(), verify_commands=[["true"]])
        agent = {"name": "claude-code", "settings": {"model": "claude-sonnet-4-5"}}
        task = await api.task(project, agent=agent)
        await system.until(task["id"], "waiting")
        (execution,) = await system.executions(task)
        assert execution["cost_micros"] > 1_000
        # The first answer went beyond the budget, and nothing was asked after it.
        assert len(server.model_requests()) == 1
        await api.post(f"/executions/{execution['id']}/answer", {"answer": "20"}, 200)
        ended = await system.ended(task)
        assert ended["state"] == "completed", ended["message"]
    (execution,) = await system.executions(task)
    (budget,) = (await api.get("/budgets"))["items"]
    assert budget["spent_micros"] == execution["cost_micros"]
    assert budget["spent_tokens"] == execution["input_tokens"] + execution["output_tokens"]


async def test_a_task_is_tried_again_when_the_providers_limit_ends(
    system: System, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLYARD_CLAUDE_CODE", str(program))
    # The program is told by the gateway that to ask again is in vain, however late it asks first.
    busy = Failure(429, "rate_limit_error", "Come back later.", [("retry-after", "5")])
    async with ModelServer([busy, READ, EDIT, DONE]) as server:
        await system.start_worker(
            anthropic_api_key="sk-ant-canary-7", anthropic_base_url=server.base_url, quota_wait_seconds="1"
        )
        project = await system.project(system.repository(), verify_commands=[["true"]])
        task = await system.coordinator.task(project, agent={"name": "claude-code", "settings": {}})
        ended = await system.ended(task)
    assert (ended["state"], ended["tries"]) == ("completed", 1), ended["message"]
    first, second = await system.executions(task)
    assert (first["reason"], second["reason"]) == ("quota_reached", None)
    assert "limit on the credential 'anthropic' ends in" in first["message"]
