"""The claim: what it reads before its locks, and what it decides under them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulation.memory import Answer, Connection, Row, answers, begins
from simulation.statements_tasks import Parameters, count, picked, refusers, write_event

GRANT_TASK = (
    *("number", "title", "description", "acceptance_criteria", "target_files", "budget_micros"),
    "base_branch",
)
GRANT_PROJECT = (
    "repository",
    "forge",
    "default_branch",
    "setup_commands",
    "limits",
    "text_policy",
    "isolation",
    "change_rules",
)


UNSPENT = {
    **dict.fromkeys(("input_tokens", "output_tokens", "cost_micros"), 0),
    **dict.fromkeys(("share_micros", "share_tokens", "usage_told_at")),
    **dict.fromkeys(("share_number", "extra_micros", "extra_tokens"), 0),
    "budget_warned": False,
}


@dataclass(slots=True)
class Snapshot:
    """As the statement saw it when it began; the rows may have moved on when they are locked."""

    slots: list[Row]
    room: int
    satisfied: set[int]
    limited: dict[str, int]
    heads: list[tuple[str, str]]
    """Project and its head task, by turn."""


def grant_row(c: Connection, execution: Row) -> Row:
    task, project = c.tables.tasks[execution["task_id"]], c.tables.projects[execution["project_id"]]
    return {
        "execution_id": execution["id"],
        **picked(execution, "fence", "worker_id", "correlation_id", "resumed_from"),
        "task_id": task["id"],
        **picked(task, *GRANT_TASK),
        "task_agent": task["agent"],
        "task_slug": task["slug"],
        "task_verify": task["verify_commands"],
        "project_id": project["id"],
        "project_name": project["name"],
        **picked(project, *GRANT_PROJECT),
        "project_agent": project["agent"],
        "project_verify": project["verify_commands"],
        "queued_seconds": 0.0,
        **picked(task, "workflow", "repositories", "signature"),
        **picked(project, "workflow_nodes"),
        "resumed_commit": next(
            (
                one["commit"]
                for one in c.tables.changes.values()
                if one["execution_id"] == execution["resumed_from"] and one["repository"] is None
            ),
            None,
        ),
        # A history has no task that goes on with an existing change, and compares none.
        **dict.fromkeys(
            (
                "change_id",
                "change_branch",
                "change_commit",
                "change_base_branch",
                "change_base_commit",
                "change_repository",
                "candidates",
                "source_url",
            )
        ),
    }


def is_spent(c: Connection, row: Row) -> bool:
    """Whether a budget of the project, or of the tenant, lets nothing more begin."""
    until = row.get("spent_until")
    return until is not None and until > c.tables.now() and "spent-budget" not in c.removed


def live(c: Connection) -> list[Row]:
    return [one for one in c.tables.task_executions.values() if one["finished_at"] is None]


def claimable(c: Connection, queue: Row, tenant_id: str, satisfied: set[int]) -> bool:
    return bool(
        queue["queued"] > 0
        and ("project-limit" in c.removed or queue["running"] < queue["max_running"])
        and queue["active"]
        and not is_spent(c, queue)
        and queue["tenant_id"] == tenant_id
        and satisfied & set(queue["lane_ids"])
    )


def head_of(c: Connection, queue: Row, satisfied: set[int], worker_ids: Sequence[str]) -> str | None:
    lanes = satisfied & set(queue["lane_ids"])
    waiting = [
        task
        for task in c.tables.tasks.values()
        if task["project_id"] == queue["project_id"]
        and task["state"] == "queued"
        and task["lane_id"] in lanes
        and not (task["avoid_worker_id"] in worker_ids and task["avoid_until"] > c.tables.now())
        and refusers(c, task).isdisjoint(worker_ids)
    ]
    first = min(waiting, key=lambda task: (-task["priority"], task["position"], task["id"]), default=None)
    return first["id"] if first else None


@answers("claim", writes=True)
def claim(c: Connection, p: Parameters, seen: Snapshot) -> Answer:
    tables, now = c.tables, c.tables.now()
    locked = [
        (project_id, task_id)
        for project_id, task_id in seen.heads
        if claimable(c, tables.project_queue[project_id], p["tenant_id"], seen.satisfied)
    ]
    allowed, of_member = [], dict.fromkeys(seen.limited, 0)
    for project_id, task_id in locked:
        member_id = tables.tasks[task_id]["member_id"]
        if member_id in seen.limited:
            of_member[member_id] += 1
            if of_member[member_id] > seen.limited[member_id]:
                continue
        allowed.append((project_id, task_id))
    given = []
    for (project_id, task_id), slot in zip(allowed, seen.slots, strict=False):
        task, still_queued = tables.tasks[task_id], tables.tasks[task_id]["state"] == "queued"
        if still_queued or "state-recheck" in c.removed:
            given.append((slot["place"], give(c, p, task, slot, now)))
        if still_queued or "summary-from-updated-rows" in c.removed:
            count(c, project_id, -1, 1, None)
            tables.project_queue[project_id]["turn"] = tables.draw("turns")
    for worker_id in {execution["worker_id"] for _, execution in given}:
        worker = tables.workers[worker_id]
        c.update(
            "workers",
            worker_id,
            state="busy" if worker["state"] == "idle" else worker["state"],
            lease_expires_at=max(worker["lease_expires_at"] or 0, now + p["lease_seconds"]),
        )
    return Answer(
        [{"place": place, **grant_row(c, execution)} for place, execution in sorted(given, key=first)]
    )


def first(pair: tuple[int, Row]) -> int:
    return pair[0]


def give(c: Connection, p: Parameters, task: Row, slot: Row, now: float) -> Row:
    execution_id = p["execution_ids"][slot["place"] - 1]
    c.update(
        "tasks",
        task["id"],
        state="running",
        execution_id=execution_id,
        reason=None,
        message="",
        pending_reason=None,
        finished_at=None,
        version=task["version"] + 1,
    )
    execution = {
        "id": execution_id,
        **picked(task, "tenant_id", "project_id", "member_id"),
        "task_id": task["id"],
        "worker_id": slot["worker_id"],
        "fence": c.tables.draw("fences"),
        "request_id": slot["request_id"],
        "state": "assigned",
        "cancel_requested": False,
        "stop_requested": False,
        "question": None,
        "correlation_id": p["correlation_ids"][slot["place"] - 1],
        "resumed_from": task["resume_from"],
        **UNSPENT,
        "reason": None,
        "message": "",
        "phase_seconds": {},
        "receipt": None,
        "salvage_ref": None,
        "facts": {},
        "queued_at": task["queued_at"] or now,
        "assigned_at": now,
        "acknowledged_at": None,
        "started_at": None,
        "finished_at": None,
    }
    c.insert("task_executions", execution_id, execution)
    payload = {"state": "assigned", "task_state": "running", "worker_id": slot["worker_id"]}
    about = (task["tenant_id"], task["project_id"], task["id"], execution_id)
    write_event(c, about, "execution.assigned", payload)
    return execution


@begins("claim")
def look(c: Connection, p: Parameters) -> Snapshot:
    running, tables = live(c), c.tables
    if not any(queue["queued"] > 0 for queue in tables.project_queue.values()):
        return Snapshot([], 0, set(), {}, [])
    tenant, tenant_id = tables.tenant, p["tenant_id"]
    room = p["max_running"] - len(running)
    if tenant["max_running"] is not None:
        mine = sum(1 for one in running if one["tenant_id"] == tenant_id)
        room = min(room, tenant["max_running"] - mine)
    if is_spent(c, tenant):
        room = 0
    if "global-limit" in c.removed:
        room = 1_000
    limited = {
        member["id"]: member["max_running"] - sum(1 for one in running if one["member_id"] == member["id"])
        for member in tables.members.values()
        if member["max_running"] is not None
    }
    if "member-limit" in c.removed:
        limited = {}
    satisfied = {
        lane["id"]
        for lane in tables.lanes.values()
        if lane["key"][0] == tenant_id
        and set(lane["key"][1]) <= set(p["labels"])
        and limited.get(lane["key"][2], 1) > 0
    }
    slots = slots_of(c, p, running)
    queues = sorted(tables.project_queue.values(), key=lambda queue: queue["turn"])
    heads = [
        (queue["project_id"], head)
        for queue in queues
        if claimable(c, queue, tenant_id, satisfied)
        and (head := head_of(c, queue, satisfied, p["worker_ids"]))
    ]
    return Snapshot(slots, room, satisfied, limited, heads[: max(0, min(len(slots), room))])


def slots_of(c: Connection, p: Parameters, running: list[Row]) -> list[Row]:
    """Those of workers that have room and may take work."""
    offered: list[Row] = []
    taken: dict[str, int] = {}
    for place, (worker_id, request_id) in enumerate(zip(p["worker_ids"], p["request_ids"], strict=True), 1):
        worker = c.tables.workers.get(worker_id)
        if worker is None or worker["state"] not in ("idle", "busy") or worker["labels"] != list(p["labels"]):
            continue
        taken[worker_id] = taken.get(worker_id, 0) + 1
        room = worker["slots"] - sum(1 for one in running if one["worker_id"] == worker_id)
        if taken[worker_id] <= room or "worker-slots" in c.removed:
            offered.append({"place": place, "worker_id": worker_id, "request_id": request_id})
    return offered


@answers("poll")
def poll(c: Connection, p: Parameters) -> Answer:
    worker = c.tables.workers.get(p["worker_id"])
    if worker is None or worker["tenant_id"] != p["tenant_id"]:
        return Answer()
    asker = {**picked(worker, "state", "labels", "slots", "protocol_version"), "errands_open": False}
    unconfirmed = [
        one
        for one in live(c)
        if one["worker_id"] == p["worker_id"]
        and one["request_id"] == p["request_id"]
        and one["acknowledged_at"] is None
        and "re-deliverable-grant" not in c.removed
    ]
    rows = [grant_row(c, one) for one in sorted(unconfirmed, key=lambda one: one["fence"])]
    return Answer([{**asker, **row} for row in rows] or [{**asker, "execution_id": None}])


@answers("grants_acknowledge", writes=True)
def grants_acknowledge(c: Connection, p: Parameters) -> Answer:
    touched = [one for one in live(c) if one["id"] in p["ids"] and one["acknowledged_at"] is None]
    for one in touched:
        c.update("task_executions", one["id"], acknowledged_at=c.tables.now())
    return Answer(rowcount=len(touched))


def no_errands(_c: Connection, _p: Parameters) -> Any:
    return Answer()


for name in ("errands_claim", "errands_let_go"):
    answers(name)(no_errands)
