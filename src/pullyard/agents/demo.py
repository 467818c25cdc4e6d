"""The agent ``demo``: replays a recorded session on the demo's repository. It says so wherever it speaks.

The edits and the test runs are real, done in the sandbox by a small player; only the words are recorded.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pullyard.agents.endings import NOT_FOUND, judge_exit
from pullyard.agents.lines import JsonLines, bounded, count_of, object_of, sentence_of, text_of
from pullyard.agents.protocol import TASK_DIRECTORY, Invocation, Output, Verdict
from pullyard.agents.settings import AgentSettings, read_settings
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.conversation import Entry
from pullyard.protocol.worker import TaskBrief, Usage

LABEL = "Recorded session, no model was called. The edits and the test runs are real."
RECORDING_DOES_NOT_FIT = 3
_DATA = files("pullyard.agents") / "demo_data"
_TEXT_LIMIT = 16 << 10
_SLOWEST_PACE = 20.0


class DemoSettings(AgentSettings):
    pace: float = 1.0
    """Multiplies the recorded pauses; 0 plays without any."""

    def problem(self) -> str | None:
        if not 0 <= self.pace <= _SLOWEST_PACE:
            return f"The demo agent's pace is a number from 0 to {_SLOWEST_PACE:.0f}."
        return None


class DemoAgent:
    name = "demo"
    plain_log = False
    settings_type = DemoSettings

    def __init__(self) -> None:
        self._lines = JsonLines()
        self._labelled = False

    def invocation(
        self, task: TaskBrief, settings: Mapping[str, Any], *, inside: Path, gateway_port: int
    ) -> Invocation:
        del task, inside, gateway_port
        chosen = read_settings(self.name, DemoSettings, settings)
        player = f"{TASK_DIRECTORY}/player.py"
        recording = f"{TASK_DIRECTORY}/recording.jsonl"
        return Invocation(
            # -B leaves no byte code behind, in a repository that may not ignore it.
            argv=["/usr/bin/env", "python3", "-B", player, recording, str(chosen.pace)],
            environment={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
            files={
                "player.py": (_DATA / "player.py").read_bytes(),
                "recording.jsonl": (_DATA / "recording.jsonl").read_bytes(),
            },
        )

    def read(self, data: bytes, at: float) -> Output:
        output = Output()
        if not self._labelled:
            self._labelled = True
            output.log = f"[{LABEL}]\n\n".encode()
            output.entries.append(Entry(kind="note", at=at, text=LABEL))
        for piece in self._lines.feed(data):
            if isinstance(piece, bytes):
                output.log += piece
                continue
            entry, line = _render(piece, at)
            output.log += line.encode(errors="replace")
            if entry is not None:
                output.entries.append(entry)
        return output

    def end(self, exit_code: int) -> Verdict:
        if exit_code == RECORDING_DOES_NOT_FIT:
            message = (
                "The demo agent only knows the demo's own repository: choose another agent for this project."
            )
            return Verdict(Reason.AGENT_FAILED, message)
        if exit_code == NOT_FOUND:
            return Verdict(
                Reason.AGENT_MISSING, "The demo agent needs python3 on the worker, in /usr: install it."
            )
        return judge_exit(exit_code, "The demo's player")

    @property
    def usage(self) -> Usage:
        return Usage()


def _render(event: Mapping[str, Any], at: float) -> tuple[Entry | None, str]:
    text = text_of(event.get("text"), _TEXT_LIMIT)
    call_id = str(count_of(event.get("call")))
    match event.get("do"):
        case "say":
            return Entry(kind="message", at=at, text=text), f"{text}\n\n"
        case "call":
            tool = sentence_of(event.get("tool"), 60)
            data = object_of(bounded(event.get("input"), _TEXT_LIMIT))
            entry = Entry(kind="tool-call", at=at, tool=tool, call_id=call_id, data=data)
            return entry, f"→ {tool} {sentence_of(event.get('shown'))}\n"
        case "result":
            failed = event.get("failed") is True
            entry = Entry(kind="tool-result", at=at, text=text, call_id=call_id, is_error=failed)
            shown = "".join(f"  {line}\n" for line in text.splitlines())
            return entry, f"{shown}\n"
        case _:
            return None, ""
