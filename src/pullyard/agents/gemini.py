"""The agent ``gemini``: Gemini's command line, headless, with JSON lines as its output."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents import telling
from pullyard.agents.endings import SILENT, judge_exit
from pullyard.agents.lines import count_of, object_of, sentence_of, text_of
from pullyard.agents.models import NO_KEY, ArgumentSettings, Model
from pullyard.agents.programs import start_words
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import TASK_DIRECTORY, Invocation, Output, Verdict
from pullyard.agents.settings import read_settings
from pullyard.agents.telling import Told
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import TaskBrief, Usage

# It takes settings from its home alone, for it trusts no other directory that isn't root's.
_START = (
    f'mkdir -p "$GEMINI_CLI_HOME/.gemini" && cp {TASK_DIRECTORY}/settings.json "$GEMINI_CLI_HOME/.gemini/"'
    ' && exec "$@"'
)
_SETTINGS = {
    # The repository is not trusted, and yet it is worked in: the environment says the first, this the second.
    "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
    "general": {"enableAutoUpdate": False, "checkpointing": {"enabled": False}},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    "hooksConfig": {"enabled": False},
    "ide": {"enabled": False},
}
_CLOSED = ("google_web_search", "web_fetch", "ask_user", "enter_plan_mode", "save_memory")
"""There is no network inside, nobody to talk to, and no later session."""
_TURNS_MET = 53
_MOST_TURNS = 10_000


class GeminiSettings(ArgumentSettings):
    agent: ClassVar[str] = "gemini"

    max_turns: int | None = None

    def problem(self) -> str | None:
        if self.max_turns is not None and not 1 <= self.max_turns <= _MOST_TURNS:
            return f"max_turns is a number from 1 to {_MOST_TURNS}."
        return super().problem()


class GeminiAgent:
    name = "gemini"
    plain_log = False
    settings_type = GeminiSettings

    def __init__(self) -> None:
        self._listener = telling.Listener(self._understand)
        self._usage = Usage()
        self._calls = 0
        self._spoke = False
        self._said = ""
        self._error = ""

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, GeminiSettings, settings)
        model = chosen.chosen()
        return Invocation(
            argv=[*command(model, "--output-format", "stream-json"), *chosen.extra_argv],
            environment=environment(gateway_port),
            stdin=write_prompt(task).encode(errors="replace"),
            files=own_files(chosen.max_turns),
            program=self.name,
            gateway=model.gateway,
        )

    def read(self, data: bytes, at: float) -> Output:
        output = self._listener.read(data, at)
        if not data:
            output.entries += [entry for entry, _ in self._sentence(at) if entry is not None]
        return output

    def end(self, exit_code: int) -> Verdict:
        if exit_code == _TURNS_MET:
            message = "Gemini reached its limit of turns: raise max_turns, or make the task smaller."
            return Verdict(Reason.AGENT_FAILED, message)
        if self._error:
            # Its exit code is then what the provider answered, modulo 256, which may look like a signal.
            return Verdict(Reason.AGENT_FAILED, f'Gemini gave up. It said: "{self._error}"')
        if exit_code == 0 and not self._spoke:
            return Verdict(Reason.AGENT_FAILED, SILENT.format("Gemini"))
        return judge_exit(exit_code, "Gemini")

    @property
    def usage(self) -> Usage:
        return self._usage

    def _understand(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        if line.get("type") == "message":
            return self._message(line, at)
        return [*self._sentence(at), *self._event(line, at)]

    def _message(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        if line.get("role") != "assistant":
            return []
        self._spoke = True
        piece = text_of(line.get("content"), telling.TEXT_LIMIT)
        self._said += piece[: telling.TEXT_LIMIT - len(self._said)]
        if line.get("delta") is True:
            return [(None, piece)]
        return [(None, piece), *self._sentence(at)]

    def _sentence(self, at: float) -> Sequence[Told]:
        """The pieces that were said so far as one message; they stand in the log already."""
        said, self._said = self._said, ""
        return [(telling.message(said, at)[0], "\n\n")] if said else []

    def _event(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        call_id = line.get("tool_id")
        match line.get("type"):
            case "tool_use":
                self._spoke = True
                self._calls += 1
                return [telling.call(line.get("tool_name"), call_id, line.get("parameters"), at)]
            case "tool_result":
                failed = line.get("status") == "error"
                return [telling.result(line.get("output"), call_id, at, is_error=failed)]
            case "error":
                return [telling.note(line.get("message"), at, is_error=True)]
            case "result":
                return self._end(line, at)
            case _:
                return []

    def _end(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        stats = object_of(line.get("stats"))
        self._usage = Usage(
            input_tokens=count_of(stats.get("input_tokens")),
            output_tokens=count_of(stats.get("output_tokens")),
        )
        failed = line.get("status") != "success"
        if failed:
            told = object_of(line.get("error")).get("message")
            self._error = sentence_of(told) or "an error without a message"
        return [telling.summary(self._usage, at, failed=failed, turns=self._calls + 1)]


def command(model: Model, *options: str) -> list[str]:
    program = [*start_words("gemini"), *options, "-m", model.name]
    program += ["--policy", f"{TASK_DIRECTORY}/policy.toml", "-e", "none"]
    return ["sh", "-c", _START, "sh", *program]


def environment(gateway_port: int) -> dict[str, str]:
    return {
        "GEMINI_API_KEY": NO_KEY,
        "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{gateway_port}",
        "GEMINI_CLI_HOME": "/tmp/gemini",
        # So that nothing of .gemini or .env in the repository counts.
        "GEMINI_CLI_TRUST_WORKSPACE": "false",
        "GEMINI_CLI_NO_RELAUNCH": "true",
        "NO_COLOR": "1",
        "TERM": "xterm-256color",
    }


def own_files(max_turns: int | None, *, asks: bool = False) -> dict[str, bytes]:
    """The settings and the policy that it is started with."""
    own = {**_SETTINGS, "model": {"maxSessionTurns": max_turns or -1}}
    return {"settings.json": json.dumps(own).encode(), "policy.toml": policy(asks=asks).encode()}


def policy(*, asks: bool) -> str:
    """Of its tools: all may be used, without a question or with one, but for those that can't work here."""
    rules = [("*", "ask_user" if asks else "allow", 900), *((tool, "deny", 999) for tool in _CLOSED)]
    return "".join(
        # Without the last line it refuses every command that writes to a file by the shell's own means.
        f'[[rule]]\ntoolName = "{tool}"\ndecision = "{decision}"\npriority = {priority}\n'
        "allowRedirection = true\n"
        for tool, decision, priority in rules
    )
