"""Our own agent, in the real sandbox, through the real gateway, against a scripted model."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pullyard.agents.built_in import BuiltInAgent
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import TaskBrief
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream
from pullyard.worker.programs.shelf import Shelf
from tests.agent_programs import shelf_with
from tests.agent_runs import TASK, Run, Workplace
from tests.model_server import ModelServer, Text, ToolUse, Turn

pytestmark = pytest.mark.slow

KEY = "sk-ant-canary-0123456789abcdef"
EDIT = ToolUse("edit_file", {"path": "greeting.txt", "old": "helo", "new": "hello"}, 1100, 60)
DONE = Text("Fixed the greeting.", 1200, 10)
FORMATS = [
    ({"model": "anthropic/claude-sonnet-5"}, "anthropic", "/v1/messages"),
    ({"model": "openai/gpt-5"}, "openai", "/responses"),
    ({"model": "openai/gpt-5", "api": "chat"}, "openai", "/chat/completions"),
    ({"model": "gemini/gemini-2.5-pro"}, "gemini", "/models/gemini-2.5-pro:streamGenerateContent"),
]


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return shelf_with("pullyard")


@pytest.fixture
def workplace(tmp_path: Path, shelf: Shelf) -> Workplace:
    workplace = Workplace(tmp_path, shelf=shelf)
    (workplace.ws / "greeting.txt").write_text("helo world\n")
    return workplace


@asynccontextmanager
async def model(
    script: Sequence[Turn], workplace: Workplace, provider: str = "anthropic"
) -> AsyncIterator[ModelServer]:
    async with ModelServer(script) as server:
        upstream = open_upstream({provider: ProviderSettings(SecretStr(KEY), server.base_url)})
        async with upstream.client:
            workplace.upstream = upstream
            yield server


async def work(workplace: Workplace, task: TaskBrief = TASK, **settings: Any) -> Run:
    return await workplace.run(BuiltInAgent(), {"model": "anthropic/claude-sonnet-5", **settings}, task)


@pytest.mark.parametrize(("settings", "provider", "path"), FORMATS)
async def test_it_makes_a_change_over_every_wire_format(
    settings: dict[str, str], provider: str, path: str, workplace: Workplace
) -> None:
    async with model([EDIT, DONE], workplace, provider) as server:
        run = await work(workplace, **settings)
    assert run.verdict.reason is None, run.output
    assert (workplace.ws / "greeting.txt").read_text() == "hello world\n"
    assert run.kinds() == ["note", "tool-call", "diff", "tool-result", "message", "usage"]
    assert "+hello world" in run.entries[2].text
    assert (run.usage.input_tokens, run.usage.output_tokens) == (2300, 70)
    assert workplace.ledger.usage.cost_micros > 0
    assert all(request.path.endswith(path) for request in server.model_requests())
    assert KEY not in run.output.decode()


async def test_spent_money_ends_it_with_that_reason(workplace: Workplace) -> None:
    workplace.ledger = Ledger(budget_micros=1)
    async with model([EDIT, DONE], workplace):
        run = await work(workplace)
    assert run.verdict.reason is Reason.BUDGET_SPENT
    assert workplace.ledger.requests == 1
