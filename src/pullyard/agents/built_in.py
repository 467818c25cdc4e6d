"""The agent ``pullyard``: our own, for the models of every provider. Its program is in ``agents.inside``."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from pullyard.agents import telling
from pullyard.agents.endings import judge_exit
from pullyard.agents.lines import count_of, object_of, sentence_of, text_of
from pullyard.agents.models import ModelSettings
from pullyard.agents.packing import pack, package
from pullyard.agents.programs import start_words
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import TASK_DIRECTORY, Invocation, Output, Question, Verdict
from pullyard.agents.settings import read_settings
from pullyard.agents.telling import Told
from pullyard.lifecycle import tool_routing
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import TaskBrief, Usage

SERVED = (
    *("read_file", "write_file", "edit_file", "list_files", "search_files"),
    *("run_command", "ask_person"),
)
"""Its tools, of those in ``lifecycle.tool_routing.TOOLS``."""
_WINDOWS = {"anthropic": 200_000, "openai": 200_000, "gemini": 900_000}
_LEAST_WINDOW, _MOST_WINDOW = 16_000, 10_000_000
_MOST_TURNS = 10_000
_MOST_TOKENS = 10**12
_INSTRUCTIONS_LIMIT = 32_000
_ENDED_BADLY = 1
_WITHOUT_END = "Pullyard's agent ended without a result: see the log for what it said last."
_MAIN = b"""\
import sys

from pullyard.agents.inside.program import main

main(sys.argv[1])
"""
_RULES = """\
You are a careful software engineer who works alone on one task in a checkout of a repository, by means of the
tools that you have. Look before you change: search, read, and run what is there. Make the smallest change
that does the task well, in the style of the code around it. Run the project's tests and read what they say.
When the task is done, answer with a short summary and without a call of a tool: that ends the work."""
_REASONS = {
    "budget": Reason.BUDGET_SPENT,
    "provider": Reason.PROVIDER_FAILED,
    "limit": Reason.AGENT_FAILED,
    "failed": Reason.AGENT_FAILED,
}


class BuiltInSettings(ModelSettings):
    agent: ClassVar[str] = "pullyard"

    api: Literal["responses", "chat"] = "responses"
    """Which of OpenAI's APIs; servers that only speak alike mostly have ``chat`` alone."""
    instructions: str = ""
    """More for the model to heed, after our own."""
    max_turns: int = 200
    """Requests to the model."""
    max_tokens: int | None = None
    """In and out, of all requests together; None is no limit but the task's money."""
    window_tokens: int | None = None
    """What the model can take in one request; None is what the provider's models usually can."""
    answer_tokens: int = 16_000
    """The most that one answer may have."""

    def problem(self) -> str | None:
        problem = super().problem()
        if problem is not None:
            return problem
        if len(self.instructions) > _INSTRUCTIONS_LIMIT:
            return f"instructions has at most {_INSTRUCTIONS_LIMIT} characters: put the rest into AGENTS.md."
        if not 1 <= self.max_turns <= _MOST_TURNS:
            return f"max_turns is a number from 1 to {_MOST_TURNS}."
        if self.max_tokens is not None and not 1 <= self.max_tokens <= _MOST_TOKENS:
            return f"max_tokens is a number from 1 to {_MOST_TOKENS}."
        if self.window_tokens is not None and not _LEAST_WINDOW <= self.window_tokens <= _MOST_WINDOW:
            return f"window_tokens is a number from {_LEAST_WINDOW} to {_MOST_WINDOW}."
        if not 256 <= self.answer_tokens <= self.window // 2:
            return f"answer_tokens is a number from 256 to {self.window // 2}, half of the model's window."
        return None

    @property
    def window(self) -> int:
        return self.window_tokens or _WINDOWS[self.chosen().provider]


class BuiltInAgent:
    name = "pullyard"
    plain_log = False
    settings_type = BuiltInSettings

    def __init__(self) -> None:
        self._listener = telling.Listener(self._understand)
        self._usage = Usage()
        self._turns = 0
        self._asked: tuple[str, list[str], bool] | None = None
        self._session = ""
        self._verdict: Verdict | None = None

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del inside
        chosen = read_settings(self.name, BuiltInSettings, settings)
        model = chosen.chosen()
        tools = {name: task.tools.get(name, tool_routing.TOOLS[name].verdict) for name in SERVED}
        job = {
            "prompt": write_prompt(task, can_ask=tools["ask_person"] is not tool_routing.Verdict.DENY),
            "instructions": write_instructions(task, chosen.instructions),
            "api": f"openai-{chosen.api}" if model.provider == "openai" else model.provider,
            "model": model.name,
            "address": f"http://127.0.0.1:{gateway_port}",
            "limits": {"turns": chosen.max_turns, "tokens": chosen.max_tokens},
            "window_tokens": chosen.window,
            "answer_tokens": chosen.answer_tokens,
            "tools": tools,
            "commands": task.command_rules,
            "session": task.session,
            "answer": task.answers[-1].answer if task.answers else "",
        }
        return Invocation(
            argv=[*start_words(self.name), f"{TASK_DIRECTORY}/agent.zip", f"{TASK_DIRECTORY}/job.json"],
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
            files={"agent.zip": own_program(), "job.json": msgspec.json.encode(job)},
            program=self.name,
            gateway=model.gateway,
        )

    def read(self, data: bytes, at: float) -> Output:
        return self._listener.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        if exit_code > _ENDED_BADLY:
            return judge_exit(exit_code, "Pullyard's agent")
        if exit_code == 0 and self._asked is not None and self._session:
            return Verdict(question=Question(*self._asked, session=self._session))
        if self._verdict is None or (exit_code != 0 and self._verdict.reason is None):
            broken = judge_exit(exit_code, "Pullyard's agent")
            return broken if broken.reason else Verdict(Reason.AGENT_FAILED, _WITHOUT_END)
        return self._verdict

    @property
    def usage(self) -> Usage:
        return self._usage

    def _understand(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        text, call_id, data = line.get("text"), line.get("call_id"), object_of(line.get("data"))
        failed = line.get("is_error") is True
        match line.get("kind"):
            case "message":
                return [telling.message(text, at)]
            case "thought":
                return [telling.thought(text, at)]
            case "note":
                return [telling.note(text, at, is_error=failed)]
            case "tool-call":
                return [telling.call(line.get("tool"), call_id, data, at)]
            case "tool-result":
                return [telling.result(text, call_id, at, is_error=failed)]
            case "diff":
                return [telling.diff(text, call_id, at)]
            case _:
                return self._heed(line.get("kind"), text, data, at)

    def _heed(self, kind: Any, text: Any, data: Mapping[str, Any], at: float) -> Sequence[Told]:
        """What is said to us, and not only to the people who follow."""
        match kind:
            case "used":
                counted = [count_of(data.get(name)) for name in ("input_tokens", "output_tokens")]
                self._usage = self._usage.plus(Usage(input_tokens=counted[0], output_tokens=counted[1]))
                self._turns += 1
            case "question":
                asked = text_of(text, telling.TEXT_LIMIT)
                told, choices = telling.question(asked, data.get("choices"), at)
                self._asked = asked, choices, data.get("free") is not False
                return [told]
            case "session" if isinstance(text, str) and len(text) <= telling.SESSION_LIMIT:
                self._session = text
            case "end":
                return [self._end(text, data, at)]
        return []

    def _end(self, text: Any, data: Mapping[str, Any], at: float) -> Told:
        why = data.get("reason")
        reason = _REASONS.get(why, Reason.AGENT_FAILED) if isinstance(why, str) and why else None
        message = "" if reason is None else sentence_of(text, 600) or "Pullyard's agent gave up: see the log."
        self._verdict = Verdict(reason, message)
        return telling.summary(self._usage, at, failed=reason is not None, turns=self._turns)


def write_instructions(task: TaskBrief, own: str) -> str:
    """What the model heeds in every turn: our rules, the project's of its base branch, the settings'."""
    sections = [_RULES]
    for name, text in task.project_files.items():
        sections.append(f"# {name} of this repository\n\n{text_of(text.strip(), _INSTRUCTIONS_LIMIT)}")
    if own.strip():
        sections.append(f"# Instructions of this project\n\n{own.strip()}")
    return "\n\n".join(sections)


@cache
def own_program() -> bytes:
    """A zip that Python runs: the program and what of ours it imports; all else is in its installed place."""
    return pack({"__main__.py": _MAIN, **package("agents/inside"), **package("lifecycle")})
