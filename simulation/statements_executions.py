"""Executions, workers, logs and what the caretakers look for, as their SQL has them."""

from datetime import UTC, datetime
from typing import Any

from simulation.memory import Answer, Connection, ConstraintBroken, Row, answers
from simulation.statements_claim import live
from simulation.statements_tasks import Parameters, count, picked, write_event

FINAL = ("succeeded", "failed", "cancelled", "timed_out", "lost")
OFFERED = (
    *("labels", "arch", "slots", "software_version", "protocol_version", "facts"),
    "state",
)


class Agreeable(int):
    """A number that says of every other one that they are equal: a comparison that was taken out."""

    __hash__ = int.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


def own(table: dict[Any, Row], p: Parameters, key: str = "id") -> Row | None:
    row = table.get(p[key])
    return row if row is not None and row["tenant_id"] == p["tenant_id"] else None


@answers("execution_project")
def execution_project(c: Connection, p: Parameters) -> Answer:
    row = own(c.tables.task_executions, p)
    return Answer([picked(row, "project_id")] if row else [])


@answers("execution_row")
def execution_row(c: Connection, p: Parameters) -> Answer:
    row = own(c.tables.task_executions, p)
    if row is not None and "fence" in c.removed:
        row = {**row, "fence": Agreeable(row["fence"])}
    if row is None:
        return Answer()
    retry = c.tables.tasks[row["task_id"]]["retry"] or c.tables.projects[row["project_id"]]["retry"]
    return Answer([{**row, "retry": retry, "queued_at": datetime.fromtimestamp(row["queued_at"], UTC)}])


def change_execution(c: Connection, execution_id: str, **values: Any) -> Answer:
    row = c.update("task_executions", execution_id, **values)
    if (row["finished_at"] is not None) != (row["state"] in FINAL):
        raise ConstraintBroken(f"a {row['state']} execution with finished_at {row['finished_at']}")
    return Answer(rowcount=1)


@answers("nodes_write", writes=True)
def nodes_write(c: Connection, p: Parameters) -> Answer:
    """An attempt that has ended stays as it was told first."""
    nodes, now = c.tables.execution_nodes, c.tables.now()
    for told in p["nodes"]:
        key = (p["execution_id"], told["name"], told["attempt"])
        ended = now if told["outcome"] is not None else None
        values = {name: told[name] for name in ("outcome", "reason", "message", "seconds", "facts")}
        if key not in nodes:
            fixed = {name: told[name] for name in ("place", "kind", "phase")}
            c.insert("execution_nodes", key, {**fixed, **values, "finished_at": ended})
        elif nodes[key]["outcome"] is None:
            c.update("execution_nodes", key, **values, finished_at=ended)
    return Answer()


@answers("execution_move", writes=True)
def execution_move(c: Connection, p: Parameters) -> Answer:
    now, row = c.tables.now(), c.tables.task_executions[p["id"]]
    return change_execution(
        c,
        p["id"],
        state=str(p["state"]),
        facts={**row["facts"], **p["facts"]},
        acknowledged_at=row["acknowledged_at"] or now,
        started_at=row["started_at"] or now,
    )


@answers("execution_end", writes=True)
def execution_end(c: Connection, p: Parameters) -> Answer:
    row = c.tables.task_executions[p["id"]]
    usage = ("input_tokens", "output_tokens", "cost_micros")
    return change_execution(
        c,
        p["id"],
        **{name: max(row[name], p[name]) for name in usage},
        state=str(p["state"]),
        reason=p["reason"],
        message=p["message"],
        facts={**row["facts"], **p["facts"]},
        phase_seconds=p["phase_seconds"],
        receipt=p["receipt"],
        salvage_ref=p["salvage_ref"],
        finished_at=c.tables.now(),
    )


@answers("execution_cancel", writes=True)
def execution_cancel(c: Connection, p: Parameters) -> Answer:
    asked = [
        one
        for one in live(c)
        if one["task_id"] == p["task_id"] and (not one["cancel_requested"] or one["stop_requested"])
    ]
    for one in asked:
        c.update("task_executions", one["id"], cancel_requested=True, stop_requested=False)
    return Answer(rowcount=len(asked))


@answers("execution_overdue")
def execution_overdue(c: Connection, p: Parameters) -> Answer:
    if "overdue-recheck" in c.removed:
        return Answer([{"overdue": True}])
    now, row = c.tables.now(), c.tables.task_executions[p["id"]]
    if p["reason"] == "grant_unacknowledged":
        overdue = row["acknowledged_at"] is None and row["assigned_at"] < now - p["seconds"]
    else:
        overdue = expired(c, row, now)
    return Answer([{"overdue": overdue}])


def expired(c: Connection, execution: Row, now: float) -> bool:
    until = c.tables.workers[execution["worker_id"]]["lease_expires_at"]
    return until is None or until < now


@answers("finish_lock", writes=True)
def finish_lock(c: Connection, p: Parameters) -> Answer:
    rows = ((c.tables.task_executions.get(wish["id"]), wish) for wish in p["wishes"])
    projects = {row["project_id"] for row, wish in rows if row is not None and is_held_by(c, row, wish)}
    return Answer([{"project_id": one} for one in sorted(projects)])


@answers("finish_group", writes=True)
def finish_group(c: Connection, p: Parameters) -> Answer:
    written: list[Row] = []
    for wish in p["wishes"]:
        row = c.tables.task_executions.get(wish["id"])
        if row is not None and is_plain(c, row, wish):
            written.append({"place": wish["place"], **succeed(c, row, wish)})
    return Answer(written)


def is_held_by(c: Connection, row: Row, wish: Row) -> bool:
    return bool(
        row["tenant_id"] == wish["tenant_id"]
        and row["worker_id"] == wish["worker_id"]
        and (row["fence"] == wish["fence"] or "fence" in c.removed)
    )


def is_plain(c: Connection, row: Row, wish: Row) -> bool:
    task = c.tables.tasks[row["task_id"]]
    return bool(
        row["finished_at"] is None
        and row["question"] is None
        and is_held_by(c, row, wish)
        and row["state"] in wish["from_states"]
        and task["state"] == "running"
        and task["resolves"] is None
        and (wish["change"] is None or (task["responds_to"] is None and is_of_task(task, wish["change"])))
        and all(other != task["id"] for _, other in c.tables.task_dependencies)
    )


def is_of_task(task: Row, change: Row) -> bool:
    branch: str = change["branch"]
    return branch == f"pullyard/{task['number']}-{task['slug']}-{task['id'][-6:]}"


def succeed(c: Connection, row: Row, wish: Row) -> Row:
    now, task = c.tables.now(), c.tables.tasks[row["task_id"]]
    measured = {name: wish[name] for name in ("message", "phase_seconds", "receipt")}
    change_execution(
        c,
        row["id"],
        state="succeeded",
        reason=None,
        facts={**row["facts"], **wish["facts"]},
        acknowledged_at=row["acknowledged_at"] or now,
        started_at=row["started_at"] or now,
        finished_at=now,
        **measured,
    )
    change = wish["change"]
    c.update(
        "tasks",
        task["id"],
        state="completed",
        pending_reason=None,
        not_before=None,
        reason=None,
        message=wish["message"],
        tries=task["tries"] + 1,
        change_id=change["id"] if change else task["change_id"],
        finished_at=now,
        version=task["version"] + 1,
    )
    nodes_write(c, {"execution_id": row["id"], "nodes": wish["nodes"]})
    about = (row["tenant_id"], row["project_id"], task["id"], row["id"])
    if change:
        ids = {"project_id": row["project_id"], "task_id": task["id"], "execution_id": row["id"]}
        of_project = {"repository": None, "repository_url": None}
        change_create(c, {**change, **ids, **of_project, "tenant_id": row["tenant_id"], "state": "open"})
        told = {"change_id": change["id"], "state": "open", "branch": change["branch"]}
        write_event(c, about, "change.open", told)
    count(c, row["project_id"], 0, -1, None)
    said = {"reason": None, "message": wish["message"]}
    write_event(c, about, "execution.succeeded", {"state": "succeeded", **said})
    moved = {"state": "completed", "from": "running", "pending_reason": None, **said}
    write_event(c, (*about[:3], None), "task.completed", moved)
    labels = c.tables.workers[row["worker_id"]]["labels"]
    return {
        **picked(row, "id", "project_id", "task_id", "correlation_id", "queued_at"),
        "worker_labels": labels,
    }


@answers("change_create", writes=True)
def change_create(c: Connection, p: Parameters) -> Answer:
    if any(one["execution_id"] == p["execution_id"] for one in c.tables.changes.values()):
        raise ConstraintBroken(f"a second change of {p['execution_id']}")
    c.insert("changes", p["id"], dict(p))
    return Answer(rowcount=1)


@answers("caretaker_look")
def caretaker_look(c: Connection, p: Parameters) -> Answer:
    now, tables = c.tables.now(), c.tables
    unconfirmed = now - p["acknowledge_seconds"]
    never_confirmed = "acknowledge-before-lease" in c.removed
    due = [
        one for one in tables.tasks.values() if one["state"] == "pending" and one["not_before"] is not None
    ]
    by_project = sorted(live(c), key=lambda one: one["project_id"])
    look = {
        "expired": [
            [one["tenant_id"], one["id"]]
            for one in by_project
            if (one["acknowledged_at"] is not None or never_confirmed) and expired(c, one, now)
        ],
        "unacknowledged": [
            [one["tenant_id"], one["id"]]
            for one in by_project
            if one["acknowledged_at"] is None and one["assigned_at"] < unconfirmed and not never_confirmed
        ],
        "due": [
            [one["tenant_id"], one["id"]]
            for one in sorted(due, key=lambda one: one["not_before"])
            if one["not_before"] <= now
        ],
        "lists_due": [],
        "changes_due": [],
        "candidates_ended": [],
        "issues_due": [],
        "schedules": [],
        "next_due": min((one["not_before"] - now for one in due if one["not_before"] > now), default=None),
        "silent_workers": any(silent(one, now) for one in tables.workers.values()),
    }
    return Answer([look])


def silent(worker: Row, now: float) -> bool:
    until = worker["lease_expires_at"]
    return worker["state"] not in ("offline", "quarantined") and until is not None and until < now


@answers("workers_offline", writes=True)
def workers_offline(c: Connection, p: Parameters) -> Answer:
    now = c.tables.now()
    gone = [
        one
        for one in c.tables.workers.values()
        if one["state"] in p["states"]
        and one["lease_expires_at"] is not None
        and one["lease_expires_at"] < now
    ]
    for one in gone:
        c.update("workers", one["id"], state="offline")
    return Answer([picked(one, "id", "tenant_id") for one in gone], len(gone))


@answers("leases_extend", writes=True)
def leases_extend(c: Connection, p: Parameters) -> Answer:
    now, running = c.tables.now(), live(c)
    for one in running:
        if one["acknowledged_at"] is None:
            c.update("task_executions", one["id"], assigned_at=now)
    busy = {one["worker_id"] for one in running}
    for one in c.tables.workers.values():
        if one["state"] != "offline" or one["id"] in busy:
            lasts = max(one["lease_expires_at"] or 0, now + p["lease_seconds"])
            c.update("workers", one["id"], lease_expires_at=lasts)
    return Answer()


@answers("worker_state", writes=True)
def worker_state(c: Connection, p: Parameters) -> Answer:
    worker = own(c.tables.workers, p)
    return Answer([picked(worker, "state")] if worker else [])


@answers("worker_connect", writes=True)
def worker_connect(c: Connection, p: Parameters) -> Answer:
    now = c.tables.now()
    given = {**{name: p[name] for name in OFFERED}, "state": str(p["state"])}
    c.update("workers", p["id"], **given, seen_at=now, lease_expires_at=now + p["lease_seconds"])
    return Answer(rowcount=1)


@answers("worker_beat", writes=True)
def worker_beat(c: Connection, p: Parameters) -> Answer:
    worker = own(c.tables.workers, p)
    if worker is None:
        return Answer()
    state, itself = worker["state"], worker["drains_itself"]
    drains_itself = p["draining"] and (state != "draining" or itself)
    if state != "quarantined":
        stays = p["draining"] or (state == "draining" and not itself)
        state = "draining" if stays else "busy" if p["held"] else "idle"
    now = c.tables.now()
    lasts = now + p["lease_seconds"]
    c.update(
        "workers", p["id"], state=state, seen_at=now, lease_expires_at=lasts, drains_itself=drains_itself
    )
    known = {"state": state, **picked(worker, "labels", "protocol_version")}
    mine = [
        {
            **known,
            **picked(one, "id", "fence", "cancel_requested"),
            "acknowledged": one["acknowledged_at"] is not None,
            "answered": answered(one["question"]),
        }
        for one in live(c)
        if one["worker_id"] == p["id"]
    ]
    return Answer(mine or [{**known, "id": None}], len(mine) or 1)


def answered(question: Row | None) -> Row | None:
    return question if question and "answer" in question and "taken" not in question else None


@answers("log_stream_lock", writes=True)
def log_stream_lock(c: Connection, p: Parameters) -> Answer:
    execution = own(c.tables.task_executions, p, "execution_id")
    if execution is None:
        return Answer()
    key = (p["execution_id"], p["stream"])
    if key not in c.tables.log_streams:
        c.insert("log_streams", key, {"tenant_id": p["tenant_id"], "size_bytes": 0, "lines": 0})
    row = {**execution, **picked(c.tables.log_streams[key], "size_bytes")}
    if "log-offset" in c.removed:
        row["size_bytes"] = Agreeable(row["size_bytes"])
    if "fence" in c.removed:
        row["fence"] = Agreeable(row["fence"])
    if "no-log-after-the-end" in c.removed:
        row["state"] = "implementing"
    return Answer([row])


@answers("log_streams_count")
def log_streams_count(c: Connection, p: Parameters) -> Answer:
    return Answer([{"count": sum(1 for one, _ in c.tables.log_streams if one == p["execution_id"])}])


@answers("log_append", writes=True)
def log_append(c: Connection, p: Parameters) -> Answer:
    stream = (p["execution_id"], p["stream"])
    chunk = {name: p[name] for name in ("size_bytes", "lines", "data")}
    c.insert("log_chunks", (*stream, p["offset"]), chunk)
    before = c.tables.log_streams[stream]
    c.update(
        "log_streams",
        stream,
        size_bytes=before["size_bytes"] + p["size_bytes"],
        lines=before["lines"] + p["lines"],
    )
    return Answer(rowcount=1)


@answers("logs_append", writes=True)
def logs_append(c: Connection, p: Parameters) -> Answer:
    """One frame of each stream, exactly at its end and under the right fence; the others are left out."""
    columns = (
        "tenant_ids",
        "worker_ids",
        "execution_ids",
        "fences",
        "streams",
        "offsets",
        "sizes",
        "lines",
        "frames",
    )
    told: list[Row] = []
    for tenant_id, worker_id, execution_id, fence, stream, offset, size, lines, frame in zip(
        *(p[column] for column in columns), strict=True
    ):
        execution = c.tables.task_executions.get(execution_id)
        there = c.tables.log_streams.get((execution_id, stream))
        if execution is None or there is None:
            continue
        fits = (
            (execution["finished_at"] is None or "no-log-after-the-end" in c.removed)
            and (execution["tenant_id"], execution["worker_id"]) == (tenant_id, worker_id)
            and (execution["fence"] == fence or "fence" in c.removed)
            and (there["size_bytes"] == offset or "log-offset" in c.removed)
        )
        if fits:
            sizes = {"size_bytes": size, "lines": lines, "offset": offset}
            log_append(c, {"execution_id": execution_id, "stream": stream, "data": frame, **sizes})
            told.append({"execution_id": execution_id, "stream": stream})
    return Answer(told)
