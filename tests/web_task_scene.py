"""A task with a long log and a conversation, for its page to be looked at."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from pullyard.lifecycle.execution import Phase
from pullyard.protocol.worker import Grant, NodeFact, PhaseReport, Usage
from tests.coordinator import RunningCoordinator, WireWorker
from tests.web_scene import HOSTILE, enrol

LINES = 12_000
NEEDLE = 777
NETWORK = {
    "files.pythonhosted.org:443": {
        "requests": 3,
        "refused": 0,
        "sent_bytes": 4102,
        "received_bytes": 1830211,
    },
    "git.example.org:443": {"requests": 0, "refused": 2, "sent_bytes": 0, "received_bytes": 0},
    "<b>not a host</b>": {"requests": 0, "refused": 1},
}
RESULT = "\n".join(f"tests/test_totals.py::test_{number} PASSED" for number in range(40))
SUMMARY = f"""## What is different
The cents that are left over go to the **first** shares ([why](https://docs.example/rounding)):

- `totals.py` divides without rounding
- two tests, each way

| Amount | Shares |
| --- | --- |
| 100.00 | 33.34, 33.33, 33.33 |
| {HOSTILE} | [none](javascript:alert(1)) ![seen](https://pictures.example/1.png) |
"""
SAID: list[dict[str, Any]] = [
    {"kind": "note", "at": 0.1, "text": "Claude Code 2.1.0, model claude"},
    {"kind": "thought", "at": 1.0, "text": "Rounding happens once, and then the share is repeated."},
    {
        "kind": "tool-call",
        "at": 1.5,
        "tool": "TodoWrite",
        "data": {
            "todos": [
                {"content": "Run the tests", "status": "completed"},
                {"content": "Divide without rounding", "status": "in_progress"},
                {"content": "Test the other direction", "status": "pending"},
            ]
        },
    },
    {"kind": "message", "at": 2.0, "text": "I'll run `make test` first:\n```sh\nmake test\n```"},
    {"kind": "tool-call", "at": 2.5, "tool": "Bash", "call_id": "a", "data": {"command": "make test"}},
    {
        "kind": "tool-result",
        "at": 9.0,
        "call_id": "a",
        "text": RESULT,
        "is_error": True,
        "whole": {"stream": "results", "offset": 0, "size_bytes": 12},
    },
    {
        "kind": "tool-call",
        "at": 12.0,
        "tool": "Edit",
        "call_id": "b",
        "data": {
            "file_path": "invoices/totals.py",
            "old_string": "    share = round(total / count)\n    return [share] * count\n",
            "new_string": "    share, left = divmod(total, count)\n    return [share + 1] * left\n",
        },
    },
    {"kind": "tool-result", "at": 12.2, "call_id": "b", "text": "The file was edited."},
    {"kind": "tool-call", "at": 13.0, "tool": HOSTILE, "call_id": "c", "data": {"path": HOSTILE}},
    {"kind": "message", "at": 74.0, "text": SUMMARY},
    {"kind": "message", "at": 75.0, "text": HOSTILE},
]


@dataclass
class TaskScene:
    coordinator: RunningCoordinator
    worker: WireWorker
    task: dict[str, Any]
    grant: Grant
    said_bytes: int
    """Of the conversation."""
    size_bytes: int = 0
    """Of the log of the phase implement."""

    async def print(self, text: str) -> None:
        data = text.encode()
        answer = await self.worker.log(self.grant, data, offset=self.size_bytes)
        assert answer.status_code == 200, answer.text
        self.size_bytes += len(data)

    @property
    def path(self) -> str:
        return f"/tasks/{self.task['id']}"


def log_line(number: int) -> str:
    """Such as a test runner prints, with what a log may have in it."""
    match number % 10:
        case 3:
            return f"\x1b[31mERROR\x1b[0m line {number} of https://forge.example/{number} \u202egnp"
        case 5:
            return f"\x1b[32mPASSED\x1b[0m line {number} <img src=x onerror=alert(1)>"
        case 7 if number == NEEDLE:
            return f"line {number} needle in the hay"
        case 8:
            return f"line {number} " + "wide " * 60
        case _:
            return f"line {number}"


async def make_task_scene(coordinator: RunningCoordinator, lines: int = LINES) -> TaskScene:
    """An execution that implements, of two nodes, with an earlier one that failed and left its work."""
    project = await coordinator.project(
        name="acme/billing", repository="https://forge.example/acme/billing.git", max_running=9
    )
    worker = await enrol(coordinator, "build-08")
    task = await coordinator.task(
        project,
        title="Share out the cents that are left over",
        description="100.00 in three instalments comes to 99.99.",
        acceptance_criteria=["The sum is exact for every amount", HOSTILE],
        verify_commands=[["make", "test"]],
    )
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await worker.finish(
        grant,
        reason="agent_failed",
        message="It gave up.",
        salvage_ref="refs/pullyard/salvage/1",
        usage=Usage(cost_micros=90_000),
    )
    await coordinator.until_task(task["id"], "failed")
    await coordinator.post(f"/tasks/{task['id']}/retry", status=200)
    grant = await worker.claim()
    await worker.walk(grant, "prepare")
    fact = {"name": "implement", "kind": "agent", "phase": "implement"}
    facts = [
        {**fact, "outcome": "failed", "message": "It said no.", "seconds": 4.2},
        {**fact, "attempt": 2, "place": 1},
    ]
    report = PhaseReport(
        fence=grant.fence,
        phase=Phase.IMPLEMENT,
        nodes=msgspec.convert(facts, list[NodeFact]),
        facts={"network": NETWORK},
    )
    answer = await worker.post(f"/executions/{grant.execution_id}/phase", report)
    assert answer.status_code == 200, answer.text
    said = "".join(json.dumps(one) + "\n" for one in SAID).encode()
    await worker.log(grant, said, stream="conversation")
    await worker.log(grant, b"the whole of", stream="results")
    scene = TaskScene(coordinator, worker, task, grant, len(said))
    for start in range(1, lines + 1, 5_000):
        numbers = range(start, min(start + 5_000, lines + 1))
        await scene.print("".join(log_line(number) + "\n" for number in numbers))
    return scene
