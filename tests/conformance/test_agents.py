"""What every agent does, whatever its program does: each one run in the real sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pullyard.agents.claude_code import ClaudeCodeAgent
from pullyard.agents.protocol import Agent
from pullyard.agents.registry import AGENTS
from pullyard.lifecycle.reasons import Reason
from tests.agent_runs import Run, Workplace

QUIET = ("command", "demo")
"""Agents whose programs may say nothing at all."""


@dataclass
class Member:
    """An agent whose program is a shell script of the test's."""

    agent: Agent
    workplace: Workplace
    settings: Mapping[str, Any] = field(default_factory=dict)

    async def run(self) -> Run:
        return await self.workplace.run(self.agent, self.settings)


def member(name: str, script: str, directory: Path) -> Member:
    workplace = Workplace(directory)
    if name == "command":
        return Member(AGENTS[name](), workplace, {"argv": ["sh", "-c", script]})
    if name == "demo":
        workplace.player = f"import os\nos.execvp('sh', ['sh', '-c', {script!r}])\n".encode()
        return Member(AGENTS[name](), workplace)
    workplace.program = directory / "program"
    (workplace.program / "bin").mkdir(parents=True)
    program = workplace.program / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    if name == "claude-code":
        return Member(ClaudeCodeAgent(find_program=lambda: None), workplace)
    return Member(AGENTS[name](), workplace)


@pytest.fixture(params=sorted(AGENTS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_it_changes_the_working_copy(name: str, tmp_path: Path) -> None:
    chosen = member(name, "echo hello > greeting; cat > /dev/null", tmp_path)
    (chosen.workplace.ws / "greeting").write_text("helo\n")
    run = await chosen.run()
    assert run.exit_code == 0
    assert (chosen.workplace.ws / "greeting").read_text() == "hello\n"


async def test_a_failing_program_is_the_agents_failure(name: str, tmp_path: Path) -> None:
    run = await member(name, "echo unwell; exit 9", tmp_path).run()
    assert run.verdict.reason is Reason.AGENT_FAILED
    assert "exit code 9" in run.verdict.message
    assert b"unwell" in run.log


async def test_a_program_ended_by_a_signal_says_so(name: str, tmp_path: Path) -> None:
    run = await member(name, "kill -KILL $$", tmp_path).run()
    assert run.verdict.reason is Reason.AGENT_FAILED
    assert "SIGKILL" in run.verdict.message


async def test_a_program_that_is_not_there_is_missing(name: str, tmp_path: Path) -> None:
    run = await member(name, "exec no-such-program-anywhere", tmp_path).run()
    assert run.verdict.reason is Reason.AGENT_MISSING
    assert "install it" in run.verdict.message


async def test_a_program_that_prints_nothing(name: str, tmp_path: Path) -> None:
    run = await member(name, "true", tmp_path).run()
    expected = None if name in QUIET else Reason.AGENT_FAILED
    assert run.verdict.reason is expected
    assert bool(run.verdict.message) is (expected is not None)
    assert run.usage.cost_micros == 0


async def test_garbage_reaches_the_log_as_it_is(name: str, tmp_path: Path) -> None:
    garbage = r'{"type": [}\n\377\376\000\033[31m{{{\n{"type":"assistant","message":7}\nend'
    run = await member(name, f"printf '{garbage}'", tmp_path).run()
    assert b'{"type": [}\n\xff\xfe\x00\x1b[31m{{{\n' in run.log
    assert run.log.endswith(b"end")


async def test_nothing_of_the_workers_environment_gets_in(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary")
    monkeypatch.setenv("PULLYARD_CANARY", "canary")
    run = await member(name, "env; cat /proc/self/environ /proc/self/cmdline", tmp_path).run()
    assert b"canary" not in run.log
    assert run.exit_code == 0


def test_every_agent_can_be_asked_for_what_it_is() -> None:
    for name, agent in AGENTS.items():
        assert agent.name == name
        assert agent().usage.input_tokens == 0
