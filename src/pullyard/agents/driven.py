"""Agents that are Python libraries: a driver of ours runs them in the sandbox and says what they do.

The driver is a file of the task's, run by the agent's own Python; it prints one JSON object a line.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pullyard.agents import telling
from pullyard.agents.endings import SILENT, judge_exit
from pullyard.agents.lines import count_of, sentence_of, text_of
from pullyard.agents.models import NO_KEY, Model
from pullyard.agents.programs import start_words
from pullyard.agents.prompt import write_prompt
from pullyard.agents.protocol import TASK_DIRECTORY, Invocation, Output, Verdict
from pullyard.agents.telling import Told
from pullyard.lifecycle.money import MICROS
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import TaskBrief, Usage

_PLACES = {"anthropic": ("anthropic/", ""), "openai": ("openai/", "/v1"), "gemini": ("gemini/", "/v1beta")}
"""By provider: what stands before the model's name, and the path of its API."""


_WORDS = {"message": telling.message, "thought": telling.thought, "plan": telling.plan}


class Driver:
    """One agent's driver: ``start`` says how it begins, then feed it what it prints."""

    def __init__(self, name: str) -> None:
        self.usage = Usage()
        self._name = name
        self._listener = telling.Listener(self._understand)
        self._turns = 0
        self._spoke = False
        self._error = ""

    def start(self, task: TaskBrief, model: Model, gateway_port: int, facts: Mapping[str, Any]) -> Invocation:
        prefix, path = _PLACES[model.provider]
        job = {
            "prompt": write_prompt(task),
            "files": list(task.target_files),
            "provider": model.provider,
            "model": prefix + model.name,
            "address": f"http://127.0.0.1:{gateway_port}{path}",
            "key": NO_KEY,
            **facts,
        }
        source = files("pullyard.agents") / "drivers" / f"{self._name.replace('-', '_')}.py"
        return Invocation(
            argv=[*start_words(self._name), f"{TASK_DIRECTORY}/driver.py", f"{TASK_DIRECTORY}/job.json"],
            environment={"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "TERM": "dumb"},
            files={"driver.py": source.read_bytes(), "job.json": json.dumps(job).encode()},
            program=self._name,
            gateway=model.gateway,
        )

    def read(self, data: bytes, at: float) -> Output:
        output = self._listener.read(data, at)
        if not data and self._spoke:
            entry, line = telling.summary(self.usage, at, failed=bool(self._error), turns=self._turns)
            if entry is not None:
                output.entries.append(entry)
            output.log += line.encode()
        return output

    def end(self, exit_code: int) -> Verdict:
        if self._error and exit_code <= 1:
            return Verdict(Reason.AGENT_FAILED, f'{self._name} gave up. It said: "{self._error}"')
        if exit_code == 0 and not self._spoke:
            return Verdict(Reason.AGENT_FAILED, SILENT.format(self._name))
        return judge_exit(exit_code, self._name)

    def _understand(self, line: Mapping[str, Any], at: float) -> Sequence[Told]:
        event, text, call_id = text_of(line.get("event"), 40), line.get("text"), line.get("id")
        failed = line.get("failed") is True
        self._spoke |= event in ("message", "call")
        if event in _WORDS:
            return [_WORDS[event](text, at)]
        match event:
            case "turn":
                self._turns += 1
                self.usage = self.usage.plus(_usage(line))
            case "total":
                self.usage = _usage(line)
            case "diff":
                return [telling.diff(text, call_id, at)]
            case "call":
                return [telling.call(line.get("tool"), call_id, line.get("input"), at)]
            case "result":
                return [telling.result(text, call_id, at, is_error=failed)]
            case "note":
                return [telling.note(text, at, is_error=failed)]
            case "error":
                self._error = sentence_of(text) or "an error without a message"
                return [telling.note(text, at, is_error=True)]
        return []


def _usage(line: Mapping[str, Any]) -> Usage:
    cost = line.get("cost")
    return Usage(
        input_tokens=count_of(line.get("input_tokens")),
        output_tokens=count_of(line.get("output_tokens")),
        cost_micros=count_of(cost * MICROS if isinstance(cost, int | float) else 0),
    )


class DrivenAgent:
    """What agents behind a driver share: they differ in how they are started."""

    name: str
    plain_log = False
    driver_type = Driver

    def __init__(self) -> None:
        self._driver = self.driver_type(self.name)

    def read(self, data: bytes, at: float) -> Output:
        return self._driver.read(data, at)

    def end(self, exit_code: int) -> Verdict:
        return self._driver.end(exit_code)

    @property
    def usage(self) -> Usage:
        return self._driver.usage
