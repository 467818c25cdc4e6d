"""The agent ``opencode``: opencode's command line, headless, with JSON lines as its output."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents import telling
from pullyard.agents.endings import SILENT, judge_exit
from pullyard.agents.lines import count_of, object_of, sentence_of
from pullyard.agents.models import NO_KEY, ArgumentSettings, Model
from pullyard.agents.programs import start_words
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import Invocation, Output, Verdict
from pullyard.agents.settings import read_settings
from pullyard.agents.telling import Told
from pullyard.lifecycle.money import MICROS
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import TaskBrief, Usage

_PLACES = {"anthropic": ("anthropic", "/v1"), "openai": ("openai", "/v1"), "gemini": ("google", "/v1beta")}
"""By provider: its name in opencode's settings, and what stands before its API's paths."""
_OPTIONS = ("run", "--format", "json", "--auto", "--title", "Task")
_CLOSED = ("webfetch", "websearch", "question")
"""There is no network inside, and nobody to talk to."""


class OpencodeSettings(ArgumentSettings):
    agent: ClassVar[str] = "opencode"


class OpencodeAgent:
    name = "opencode"
    plain_log = False
    settings_type = OpencodeSettings

    def __init__(self) -> None:
        self._listener = telling.Listener(self._understand)
        self._usage = Usage()
        self._turns = 0
        self._error = ""

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, OpencodeSettings, settings)
        model = chosen.chosen()
        return Invocation(
            # With a title it needs no further request to make one up.
            argv=[*start_words(self.name), *_OPTIONS, *chosen.extra_argv],
            environment=environment(model, gateway_port),
            stdin=write_prompt(task).encode(errors="replace"),
            program=self.name,
            gateway=model.gateway,
        )

    def read(self, data: bytes, at: float) -> Output:
        return self._listener.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        if self._error and exit_code <= 1:
            return Verdict(Reason.AGENT_FAILED, f'opencode gave up. It said: "{self._error}"')
        if exit_code == 0 and self._turns == 0:
            return Verdict(Reason.AGENT_FAILED, SILENT.format("opencode"))
        return judge_exit(exit_code, "opencode")

    @property
    def usage(self) -> Usage:
        return self._usage

    def _understand(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        part = object_of(line.get("part"))
        match line.get("type"):
            case "text":
                return [telling.message(part.get("text"), at)]
            case "reasoning":
                return [telling.thought(part.get("text"), at)]
            case "tool_use":
                return _tool(part, at)
            case "step_finish":
                return self._count(part, at)
            case "error":
                self._error = _said(object_of(line.get("error")))
                return [telling.note(self._error, at, is_error=True)]
            case _:
                return []

    def _count(self, part: Mapping[str, Any], at: float) -> Sequence[Told]:
        self._turns += 1
        self._usage = self._usage.plus(_usage(part))
        if part.get("reason") != "stop":
            return []
        return [telling.summary(self._usage, at, failed=False, turns=self._turns)]


def environment(model: Model, gateway_port: int, *, asks: bool = False) -> dict[str, str]:
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(configuration(model, gateway_port, asks=asks)),
        # Settings, plug-ins and servers in the repository come from the repository: they don't count.
        "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
        "OPENCODE_DISABLE_CLAUDE_CODE": "1",
        "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_PURE": "1",
        # Nothing is to be fetched while it runs.
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }


def configuration(model: Model, gateway_port: int, *, asks: bool) -> dict[str, Any]:
    """opencode's settings: one provider, at the gateway; ``asks`` where its tools wait for leave."""
    provider, path = _PLACES[model.provider]
    named = f"{provider}/{model.name}"
    return {
        "autoupdate": False,
        "share": "disabled",
        # Its own copies of the working copy would only take time: the worker keeps what it did.
        "snapshot": False,
        "model": named,
        "small_model": named,
        # A title would be a request more.
        "agent": {"title": {"disable": True}},
        "permission": {"*": "ask" if asks else "allow", **dict.fromkeys(_CLOSED, "deny")},
        "enabled_providers": [provider],
        "provider": {
            provider: {
                "options": {"baseURL": f"http://127.0.0.1:{gateway_port}{path}", "apiKey": NO_KEY},
                # One that opencode does not know is asked for all the same.
                "models": {model.name: {}},
            }
        },
    }


def _tool(part: Mapping[str, Any], at: float) -> Sequence[Told]:
    state = object_of(part.get("state"))
    call_id = part.get("callID")
    failed = state.get("status") == "error" or part.get("tool") == "invalid"
    text = state.get("error") if state.get("status") == "error" else state.get("output")
    return [
        telling.call(part.get("tool"), call_id, state.get("input"), at),
        telling.result(text, call_id, at, is_error=failed),
    ]


def _said(error: Mapping[str, Any]) -> str:
    told = object_of(error.get("data")).get("message")
    return sentence_of(told) or sentence_of(error.get("name")) or "an error without a message"


def _usage(part: Mapping[str, Any]) -> Usage:
    tokens = object_of(part.get("tokens"))
    cache = object_of(tokens.get("cache"))
    cost = part.get("cost")
    return Usage(
        input_tokens=count_of(
            count_of(tokens.get("input")) + count_of(cache.get("read")) + count_of(cache.get("write"))
        ),
        output_tokens=count_of(count_of(tokens.get("output")) + count_of(tokens.get("reasoning"))),
        cost_micros=count_of(cost * MICROS if isinstance(cost, int | float) else 0),
    )
