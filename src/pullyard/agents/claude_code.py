"""The agent ``claude-code``: Claude Code's command line, headless, with JSON lines as its output."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from pullyard.agents.claude_program import own_claude
from pullyard.agents.claude_stream import ClaudeStream
from pullyard.agents.endings import SILENT, judge_exit
from pullyard.agents.models import check_endpoint
from pullyard.agents.programs import start_words
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import Invocation, Output, Verdict
from pullyard.agents.settings import AgentSettings, read_settings
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import TaskBrief, Usage

PROGRAM_INSIDE = "/opt/pullyard/claude"
NO_KEY = "the-gateway-adds-the-key"
_MOST_TURNS = 10_000
UNUSABLE_TOOLS = [
    # There is no network inside, nobody to talk to, and the session ends with the answer.
    *("WebSearch", "WebFetch", "AskUserQuestion", "CronCreate", "CronDelete", "CronList", "ScheduleWakeup"),
    # A worktree elsewhere would leave the change where it isn't looked for.
    *("EnterWorktree", "ExitWorktree"),
]


class ClaudeCodeSettings(AgentSettings):
    model: str = ""
    """Such as ``sonnet`` or a full model name; empty leaves it to Claude Code."""
    max_turns: int | None = None
    endpoint: str = ""
    """A server of the worker's ``model_endpoints`` that is asked in the place of Anthropic's own."""
    cloud: Literal["", "vertex", "bedrock"] = ""
    """The API of that endpoint, where it is not Anthropic's."""
    extra_argv: list[str] = msgspec.field(default_factory=list)
    """More options for the command line, at its end."""

    def problem(self) -> str | None:
        if self.cloud and not self.endpoint:
            return f"By {self.cloud} is for an endpoint: name one of the worker's model_endpoints, too."
        try:
            check_endpoint(self.endpoint)
        except RequestError as error:
            return error.message
        if self.model.startswith("-") or len(self.model) > 200:
            return "That is no model's name: use one such as sonnet or opus."
        if self.max_turns is not None and not 1 <= self.max_turns <= _MOST_TURNS:
            return f"max_turns is a number from 1 to {_MOST_TURNS}."
        if any("\0" in argument for argument in [self.model, *self.extra_argv]):
            return "The settings of claude-code hold a NUL character: remove it."
        return None

    def needs(self) -> tuple[Sequence[str], str]:
        return (), self.endpoint


def _place(cloud: str, address: str) -> Mapping[str, str]:
    """Where it asks. The gateway knows the project and the region, and adds what authenticates."""
    if cloud == "vertex":
        return {
            "CLAUDE_CODE_USE_VERTEX": "1",
            "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1",
            "ANTHROPIC_VERTEX_BASE_URL": f"{address}/v1",
            "ANTHROPIC_VERTEX_PROJECT_ID": "gateway",
            "CLOUD_ML_REGION": "global",
        }
    if cloud == "bedrock":
        return {
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
            "ANTHROPIC_BEDROCK_BASE_URL": address,
            "AWS_REGION": "us-east-1",
        }
    return {"ANTHROPIC_BASE_URL": address, "ANTHROPIC_API_KEY": NO_KEY}


def environment(gateway_port: int, cloud: str = "") -> dict[str, str]:
    return {
        **_place(cloud, f"http://127.0.0.1:{gateway_port}"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "IS_SANDBOX": "1",
    }


class ClaudeCodeAgent:
    name = "claude-code"
    plain_log = False
    settings_type = ClaudeCodeSettings

    def __init__(self, find_program: Callable[[], Path | None] = own_claude) -> None:
        self._find_program = find_program
        self._stream = ClaudeStream()

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, ClaudeCodeSettings, settings)
        own = self._find_program()
        argv = [PROGRAM_INSIDE] if own else start_words(self.name)
        argv += ["-p", "--output-format", "stream-json", "--verbose"]
        argv += ["--dangerously-skip-permissions", "--no-session-persistence"]
        # Only the (empty) user settings count: hooks, servers and addresses in the repository do not.
        argv += ["--setting-sources", "user", "--strict-mcp-config"]
        argv += ["--disallowedTools", ",".join(UNUSABLE_TOOLS)]
        if chosen.model:
            argv += ["--model", chosen.model]
        if chosen.max_turns is not None:
            argv += ["--max-turns", str(chosen.max_turns)]
        return Invocation(
            argv=[*argv, *chosen.extra_argv],
            environment=environment(gateway_port, chosen.cloud),
            stdin=write_prompt(task).encode(errors="replace"),
            programs={PROGRAM_INSIDE: own} if own else {},
            program=None if own else self.name,
            gateway=chosen.endpoint or "anthropic",
        )

    def read(self, data: bytes, at: float) -> Output:
        return self._stream.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        result = self._stream.result
        if result is None or exit_code > 1:
            verdict = judge_exit(exit_code, "Claude Code")
            if verdict.reason is None:
                return Verdict(Reason.AGENT_FAILED, SILENT.format("Claude Code"))
            return verdict
        if result.is_error or exit_code != 0:
            return result.verdict()
        return Verdict()

    @property
    def usage(self) -> Usage:
        return self._stream.usage
