"""A program of the project's own behind the Agent Client Protocol, and what it is allowed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from pullyard.agents.acp import AcpAgent
from pullyard.lifecycle.tool_routing import Verdict
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream
from tests.agent_programs import shelf_with
from tests.agent_runs import TASK, Run, Workplace
from tests.model_server import ModelServer, Text

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[1] / "acp_program.py"
RULES = ["deny curl **", "ask make **"]


async def run(tmp_path: Path, commands: Sequence[str], **rules: Any) -> Run:
    workplace = Workplace(tmp_path, shelf=shelf_with("acp"))
    (workplace.ws / "speaker.py").write_bytes(PROGRAM.read_bytes())
    settings = {
        "argv": ["/usr/bin/python3", "/ws/speaker.py", *commands],
        "environment": {"GATEWAY": "{gateway}", "MODEL": "{model}"},
        "model": "anthropic/claude-sonnet-4-5",
    }
    async with ModelServer([Text("Hi")]) as server:
        provider = ProviderSettings(SecretStr("sk-canary-0123"), server.base_url)
        upstream = open_upstream({"anthropic": provider})
        async with upstream.client:
            workplace.upstream = upstream
            done = await workplace.run(AcpAgent(), settings, msgspec.structs.replace(TASK, **rules))
        assert "claude-sonnet-4-5" in server.model_requests()[0].body.decode()
        return done


async def test_it_asks_the_model_by_the_gateway_and_works_as_the_rules_let_it(tmp_path: Path) -> None:
    commands = ["touch /ws/one", "curl x; touch /ws/two", "title:touch /ws/three"]
    done = await run(tmp_path, commands, command_rules=[["deny curl **"]])
    assert done.verdict.question is not None, "which command a title tells of is not known"
    assert "touch /ws/three" in done.verdict.question.text
    assert "Refused: curl x; touch /ws/two" in done.log.decode()
    assert sorted(path.name for path in (tmp_path / "ws").iterdir()) == ["one", "speaker.py"]


async def test_without_rules_it_does_what_it_likes(tmp_path: Path) -> None:
    done = await run(tmp_path, ["touch /ws/one", "title:touch /ws/two"])
    assert done.verdict.reason is None, done.output
    assert [entry.text for entry in done.entries if entry.kind == "message"] == [
        "Ran touch /ws/one. Ran touch /ws/two. Done."
    ]


async def test_what_an_edit_changed_is_told(tmp_path: Path) -> None:
    done = await run(tmp_path, ["true # edit"])
    [changed] = [entry.text for entry in done.entries if entry.kind == "diff"]
    assert changed.splitlines() == ["--- x.txt", "+++ x.txt", "@@ -1,2 +1,2 @@", " a", "-b", "+c"]


@pytest.mark.parametrize("command", ["make " + "x" * 1600, "make a\u202eb"], ids=["long", "unseen"])
async def test_what_can_not_be_shown_is_not_asked(tmp_path: Path, command: str) -> None:
    done = await run(tmp_path, [command, "touch /ws/one"], command_rules=[RULES])
    assert done.verdict.question is None
    assert "too long or not printable" in done.log.decode()


async def test_nobody_is_asked_where_asking_is_denied(tmp_path: Path) -> None:
    done = await run(tmp_path, ["make", "touch /ws/one"], tools={"run_command": Verdict.DENY})
    assert (done.verdict.question, done.log.count(b"Refused")) == (None, 2)
