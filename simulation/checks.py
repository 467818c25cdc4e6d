"""What must hold, looked up in tables, on the forge and in the bytes; never in the code's own counters."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import zstandard

from pullyard.git.remotes import Push
from pullyard.lifecycle.execution import EXECUTION_TRANSITIONS
from pullyard.lifecycle.task import TASK_TRANSITIONS
from pullyard.protocol.worker import ClaimAnswer
from simulation.memory import Row, Tables

TASK_MOVES = {(before.value, after.value) for (before, _), after in TASK_TRANSITIONS.items()}
EXECUTION_MOVES = {(before.value, after.value) for (before, _), after in EXECUTION_TRANSITIONS.items()}
TOLD_BY_WORKER = ("succeeded", "failed", "cancelled", "timed_out")
DECOMPRESSOR = zstandard.ZstdDecompressor()
LEASE_TOLERANCE_SECONDS = 1.0
"""By so much the clocks of two machines may differ over the length of a lease."""


class Violation(Exception):
    """Something that must never happen; its text says what."""


@dataclass
class Oracle:
    tables: Tables
    max_running: int
    lease_seconds: float
    now: Callable[[], float]
    commits: dict[str, str]
    """Every commit that was made, and its execution."""
    written: dict[tuple[str, str], bytearray] = field(default_factory=dict)
    """Every byte that was appended to a stream's file on a worker, by execution and stream."""
    pushes: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Execution, branch, and what stood there before."""
    back_since: Callable[[], float] = lambda: 0.0
    """When the coordinator last came back from being away for long."""
    also: Callable[[dict[tuple[str, Any], Row | None]], None] = lambda _: None
    """Is told of every commit, too: what it changed, as it was before."""
    violations: list[str] = field(default_factory=list)
    failed: Callable[[], None] = lambda: None

    def violated(self, sentence: str) -> None:
        self.violations.append(sentence)
        self.failed()

    # After every commit.

    def committed(self, undo: list[tuple[str, Any, Row | None]]) -> None:
        before: dict[tuple[str, Any], Row | None] = {}
        for table, key, row in undo:
            before.setdefault((table, key), row)
        projects: set[str] = set()
        for (table, key), old in before.items():
            new = self.tables.rows[table].get(key)
            if table == "tasks" and new is not None:
                projects.add(new["project_id"])
                self._moved("task", key, old, new, TASK_MOVES)
            elif table == "task_executions" and new is not None:
                projects.add(new["project_id"])
                self._moved("execution", key, old, new, EXECUTION_MOVES)
                if old is not None and old["finished_at"] is not None and old != new:
                    self.violated(f"{key} was written after its end")
                self._begun_or_ended(old, new)
            elif table == "project_queue":
                projects.add(key)
            elif table == "log_streams":
                self._grew(key, old, new)
        for project_id in projects:
            self._summary(project_id)
        if projects:
            self._limits()
        self.also(before)

    def _begun_or_ended(self, old: Row | None, new: Row) -> None:
        tasks = self.tables.tasks
        if old is None:
            for one, other in self.tables.task_dependencies:
                if one == new["task_id"] and tasks[other]["state"] != "completed":
                    self.violated(f"{one} was begun before {other}, which it waits for")
        elif new["finished_at"] is not None and old["finished_at"] is None:
            # Nobody else pushes here, and whoever publishes is the last of its task.
            if new["reason"] == "push_refused":
                self.violated(f"the push of {new['id']} was refused while it was the right one")
            until = self.tables.workers[new["worker_id"]]["lease_expires_at"] or 0.0
            if "not heard" in new["message"] and until >= self.now():
                self.violated(f"{new['id']} was lost while its lease was live")
            if new["reason"] == "grant_unacknowledged" and new["acknowledged_at"] is not None:
                self.violated(f"{new['id']} was taken back although its grant was confirmed")
            unheard = new["reason"] == "lease_expired" and "not heard" in new["message"]
            if unheard and self.now() - self.back_since() < self.lease_seconds - LEASE_TOLERANCE_SECONDS:
                self.violated(f"{new['id']} was lost because the coordinator itself was away")

    def _moved(self, what: str, key: str, old: Row | None, new: Row, legal: set[tuple[str, str]]) -> None:
        if old is not None and old["state"] != new["state"] and (old["state"], new["state"]) not in legal:
            self.violated(f"{what} {key} went from {old['state']} to {new['state']}")

    def _grew(self, key: tuple[str, str], old: Row | None, new: Row | None) -> None:
        execution = self.tables.task_executions[key[0]]
        grown = new is not None and new["size_bytes"] > (old["size_bytes"] if old else 0)
        if grown and execution["finished_at"] is not None:
            self.violated(f"the log {key[1]} of {key[0]} grew after its end")

    def _summary(self, project_id: str) -> None:
        queue, tables = self.tables.project_queue[project_id], self.tables
        tasks = [task for task in tables.tasks.values() if task["project_id"] == project_id]
        queued = [task for task in tasks if task["state"] == "queued"]
        live = [
            one
            for one in tables.task_executions.values()
            if one["project_id"] == project_id and one["finished_at"] is None
        ]
        if (queue["queued"], queue["running"]) != (len(queued), len(live)):
            self.violated(
                f"the summary of {project_id} says {queue['queued']} queued and {queue['running']} running, "
                f"and there are {len(queued)} and {len(live)}"
            )
        if not {task["lane_id"] for task in queued} <= set(queue["lane_ids"]):
            self.violated(f"the summary of {project_id} misses a lane")
        if len(live) > queue["max_running"]:
            self.violated(
                f"{project_id} has {len(live)} executions at once and may have {queue['max_running']}"
            )
        held = {task["id"]: task["execution_id"] for task in tasks if task["state"] in ("running", "waiting")}
        if held != {one["task_id"]: one["id"] for one in live} or len(held) != len(live):
            self.violated(f"the running tasks of {project_id} are not those of its live executions")

    def _limits(self) -> None:
        live = [one for one in self.tables.task_executions.values() if one["finished_at"] is None]
        if len(live) > self.max_running:
            self.violated(f"{len(live)} executions at once, and the limit is {self.max_running}")
        for member in self.tables.members.values():
            mine = sum(1 for one in live if one["member_id"] == member["id"])
            if member["max_running"] is not None and mine > member["max_running"]:
                self.violated(f"{member['id']} has {mine} executions at once")
        for worker in self.tables.workers.values():
            mine = sum(1 for one in live if one["worker_id"] == worker["id"])
            if mine > worker["slots"]:
                self.violated(f"{worker['id']} was given {mine} executions and has {worker['slots']} slots")

    # Told by the network, the disk and the forge.

    def answered(self, worker_id: str, body: bytes, content: bytes, began: float) -> None:
        """A request that came after a grant to the same request is given it again, until it is confirmed."""
        unconfirmed = [
            one
            for one in self.tables.task_executions.values()
            if one["finished_at"] is None
            and one["acknowledged_at"] is None
            and one["worker_id"] == worker_id
            and one["assigned_at"] < began
        ]
        if not unconfirmed:
            return
        wish = msgspec.json.decode(body)
        request_id = wish.get("request_id") or wish.get("next_request_id")
        given = {grant.execution_id for grant in msgspec.json.decode(content, type=ClaimAnswer).grants}
        for one in unconfirmed:
            if one["request_id"] == request_id and one["id"] not in given:
                self.violated(f"the same request was not given {one['id']} again")

    def wrote(self, execution_id: str, stream: str, data: bytes) -> None:
        self.written.setdefault((execution_id, stream), bytearray()).extend(data)

    def execution_of(self, commit: str) -> Row:
        return self.tables.task_executions[self.commits[commit]]

    def push_began(self, push: Push) -> None:
        """A second try of a publication goes by what it finds on the forge, so only the first is judged."""
        if push.expected is not None or push.commit is None:
            return
        execution, now = self.execution_of(push.commit), self.now()
        until = self.tables.workers[execution["worker_id"]]["lease_expires_at"] or 0.0
        if until < now - LEASE_TOLERANCE_SECONDS:
            self.violated(f"{execution['id']} began to publish {now - until:.1f} s after its lease was over")
        ended = execution["finished_at"]
        if ended is not None and ended < now - self.lease_seconds - LEASE_TOLERANCE_SECONDS:
            self.violated(f"{execution['id']} began to publish {now - ended:.1f} s after its end")

    def pushed(self, url: str, push: Push, before: str | None) -> None:
        del url
        assert push.commit is not None
        execution = self.execution_of(push.commit)
        self.pushes.append((execution["id"], push.branch, before))
        if before is not None and self.execution_of(before)["fence"] > execution["fence"]:
            self.violated(f"{execution['id']} overwrote the work of a later execution")
        branches = {
            branch
            for one, branch, _ in self.pushes
            if self.tables.task_executions[one]["task_id"] == execution["task_id"]
        }
        if len(branches) > 1:
            self.violated(f"the task {execution['task_id']} was delivered twice: {sorted(branches)}")

    # At the end of the history.

    def ended(self, branches: dict[str, dict[str, str]]) -> None:
        for task in self.tables.tasks.values():
            if task["finished_at"] is None:
                self.violated(f"the task {task['id']} is {task['state']} for ever")
            changes = [one for one in self.tables.changes.values() if one["task_id"] == task["id"]]
            if task["state"] == "completed":
                self._delivered(task, changes, branches)
            elif changes:
                self.violated(f"the task {task['id']} is {task['state']} and has a change")
        for (execution_id, stream), data in self.written.items():
            self._log(execution_id, stream, bytes(data))
        for execution_id, stream in self.tables.log_streams:
            if (execution_id, stream) not in self.written:
                self._log(execution_id, stream, b"")
        self._interrupted()

    def _delivered(self, task: Row, changes: list[Row], branches: dict[str, dict[str, str]]) -> None:
        if len(changes) != 1:
            self.violated(f"the completed task {task['id']} has {len(changes)} changes")
            return
        change, project = changes[0], self.tables.projects[task["project_id"]]
        there = branches.get(project["repository"], {}).get(change["branch"])
        if there != change["commit"]:
            self.violated(f"the change of {task['id']} says {change['commit']}, and the forge {there}")

    def _log(self, execution_id: str, stream: str, written: bytes) -> None:
        chunks = sorted(
            (key[2], row) for key, row in self.tables.log_chunks.items() if key[:2] == (execution_id, stream)
        )
        stored = bytearray()
        for start, row in chunks:
            if start != len(stored):
                self.violated(f"the log {stream} of {execution_id} goes on at {start} after {len(stored)}")
            stored += DECOMPRESSOR.decompress(row["data"], max_output_size=row["size_bytes"])
        execution = self.tables.task_executions[execution_id]
        whole = execution["state"] in TOLD_BY_WORKER
        expected = written if whole else written[: len(stored)]
        if hashlib.sha256(stored).digest() != hashlib.sha256(expected).digest():
            self.violated(
                f"the log {stream} of {execution_id} ({execution['state']}) has {len(stored)} bytes in the "
                f"store and {len(written)} on the worker, and they differ"
            )

    def _interrupted(self) -> None:
        """Work that was published was in the journal, so no restart can have taken it for unfinished."""
        published = {execution_id for execution_id, _, _ in self.pushes}
        for one in self.tables.task_executions.values():
            if one["id"] in published and "was restarted while the agent" in one["message"]:
                self.violated(f"{one['id']} was published and then taken for unfinished")
