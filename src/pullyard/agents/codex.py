"""The agent ``codex``: Codex's command line, headless, with JSON lines as its output."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pullyard.agents import telling
from pullyard.agents.endings import SILENT, judge_exit
from pullyard.agents.lines import count_of, object_of, sentence_of, text_of
from pullyard.agents.models import NO_KEY, ArgumentSettings
from pullyard.agents.programs import start_words
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import Invocation, Output, Verdict
from pullyard.agents.settings import read_settings
from pullyard.agents.telling import Told
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import TaskBrief, Usage

_OPTIONS = (
    *("exec", "--json", "--ephemeral", "--skip-git-repo-check"),
    # Settings and rules in the repository or at home don't count; the sandbox is around all of it.
    *("--ignore-user-config", "--ignore-rules", "--dangerously-bypass-approvals-and-sandbox"),
)
_CLOSED = ("apps", "browser_use", "computer_use", "hooks", "image_generation", "multi_agent", "plugins")
"""What runs at the provider, needs a network or a screen, or comes from the repository."""
_CHANGES_LIMIT = 64
_SURE = ("low", "medium", "high", "xhigh")


class CodexSettings(ArgumentSettings):
    agent: ClassVar[str] = "codex"

    effort: str = ""
    """Of reasoning: ``low``, ``medium``, ``high`` or ``xhigh``; empty leaves it to the model."""

    def problem(self) -> str | None:
        if self.effort and self.effort not in _SURE:
            return f"The effort of codex is one of {', '.join(_SURE)}."
        return super().problem()


class CodexAgent:
    name = "codex"
    plain_log = False
    settings_type = CodexSettings

    def __init__(self) -> None:
        self._listener = telling.Listener(self._understand)
        self._usage = Usage()
        self._spoke = False
        self._error = ""

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        chosen = read_settings(self.name, CodexSettings, settings)
        model = chosen.chosen()
        own = {"model_reasoning_effort": chosen.effort} if chosen.effort else {}
        words = options(own, inside, gateway_port)
        return Invocation(
            argv=[*start_words(self.name), *_OPTIONS, *words, "-m", model.name, *chosen.extra_argv, "-"],
            environment=environment(),
            stdin=write_prompt(task).encode(errors="replace"),
            program=self.name,
            gateway=model.gateway,
        )

    def read(self, data: bytes, at: float) -> Output:
        return self._listener.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        if self._error and exit_code <= 1:
            return Verdict(Reason.AGENT_FAILED, f'Codex gave up. It said: "{self._error}"')
        if exit_code == 0 and not self._spoke:
            return Verdict(Reason.AGENT_FAILED, SILENT.format("Codex"))
        return judge_exit(exit_code, "Codex")

    @property
    def usage(self) -> Usage:
        return self._usage

    def _understand(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        match line.get("type"):
            case "item.started":
                return _begun(object_of(line.get("item")), at)
            case "item.updated" | "item.completed":
                self._spoke = True
                return _done(object_of(line.get("item")), at)
            case "turn.completed":
                self._usage = self._usage.plus(_usage(object_of(line.get("usage"))))
                return [telling.summary(self._usage, at, failed=False, turns=1)]
            case "turn.failed":
                self._error = _said(object_of(line.get("error")))
                return [telling.note(self._error, at, is_error=True)]
            case "error":
                # It may yet go on: of a limit that it waits for, this tells too.
                return [telling.note(_said(line), at, is_error=True)]
            case _:
                return []


def environment() -> dict[str, str]:
    return {"OPENAI_API_KEY": NO_KEY, "RUST_LOG": "off"}


def options(own: Mapping[str, Any], inside: Path, gateway_port: int) -> list[str]:
    """Settings on the command line, ``own`` among them: the gateway's place, and nothing of a network's."""
    provider: dict[str, Any] = {
        "model_provider": "pullyard",
        "model_providers.pullyard.name": "Pullyard",
        "model_providers.pullyard.base_url": f"http://127.0.0.1:{gateway_port}/v1",
        "model_providers.pullyard.env_key": "OPENAI_API_KEY",
        "model_providers.pullyard.wire_api": "responses",
        "web_search": "disabled",
        **{f"features.{feature}": False for feature in _CLOSED},
        "analytics.enabled": False,
        "check_for_update_on_startup": False,
        **own,
    }
    words = [word for key, value in provider.items() for word in ("-c", f"{key}={json.dumps(value)}")]
    # A directory that is not trusted has no settings, hooks or servers of its own. As a table, for the
    # keys of these options can't hold a path.
    return [*words, "-c", f'projects={{{json.dumps(str(inside))}={{trust_level="untrusted"}}}}']


def _begun(item: Mapping[str, Any], at: float) -> Sequence[Told]:
    if item.get("type") == "command_execution":
        return [telling.call("shell", item.get("id"), {"command": item.get("command")}, at)]
    if item.get("type") == "mcp_tool_call":
        return [telling.call(item.get("tool"), item.get("id"), item.get("arguments"), at)]
    return []


def _done(item: Mapping[str, Any], at: float) -> Sequence[Told]:
    item_id = item.get("id")
    match item.get("type"):
        case "agent_message":
            return [telling.message(item.get("text"), at)]
        case "reasoning":
            return [telling.thought(item.get("text"), at)]
        case "command_execution":
            failed = item.get("exit_code") != 0
            return [telling.result(item.get("aggregated_output"), item_id, at, is_error=failed)]
        case "mcp_tool_call":
            failed = item.get("status") == "failed"
            return [telling.result(str(item.get("result")), item_id, at, is_error=failed)]
        case "file_change":
            given = {"path": _changes(item), "changes": item.get("changes")}
            failed = item.get("status") != "completed"
            return [
                telling.call("edit", item_id, given, at),
                telling.result("", item_id, at, is_error=failed),
            ]
        case "todo_list":
            return [telling.plan(_list(item), at)]
        case "error":
            return [telling.note(item.get("message"), at, is_error=True)]
        case _:
            return []


def _changes(item: Mapping[str, Any]) -> str:
    changes = item.get("changes")
    some = changes[:_CHANGES_LIMIT] if isinstance(changes, list) else []
    return " ".join(sentence_of(object_of(change).get("path")) for change in some)


def _list(item: Mapping[str, Any]) -> str:
    items = item.get("items")
    some = [object_of(one) for one in items[:_CHANGES_LIMIT]] if isinstance(items, list) else []
    return "\n".join(
        f"- [{'x' if one.get('completed') is True else ' '}] {text_of(one.get('text'), 300)}" for one in some
    )


def _said(error: Mapping[str, Any]) -> str:
    return sentence_of(error.get("message")) or "an error without a message"


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=count_of(usage.get("input_tokens")),
        output_tokens=count_of(usage.get("output_tokens")),
    )
