"""Tasks, lanes, dependencies and each project's summary, as their SQL has them."""

import copy
from collections.abc import Mapping
from typing import Any

from simulation.memory import Answer, Connection, ConstraintBroken, Row, answers

Parameters = Mapping[str, Any]
FINAL = ("completed", "failed", "cancelled")
CREATED_AS_GIVEN = (
    *("id", "tenant_id", "project_id", "title", "description", "acceptance_criteria", "target_files"),
    *("verify_commands", "priority", "labels", "budget_micros", "base_branch", "agent", "state"),
    "pending_reason",
)


UNPLANNED = {
    "draft": False,
    "start_at": None,
    "retry": None,
    "source": "request",
    "resolves": None,
    "comparison_id": None,
    "undecided": False,
    "responds_to": None,
    "resolutions": 0,
    "budget_tokens": None,
    "quota_until": None,
    "workflow": "code-change",
    "repositories": [],
    "signature": None,
    "avoid_worker_id": None,
    "avoid_until": None,
    "refused_by": None,
    "refused_until": None,
}
"""What few tasks have, as a column's default has it."""


def picked(row: Row, *columns: str) -> Row:
    return {column: row[column] for column in columns}


def own_copy(value: Any) -> Any:
    return copy.deepcopy(value) if isinstance(value, list | dict) else value


def check_task(row: Row) -> None:
    if (row["finished_at"] is not None) != (row["state"] in FINAL):
        raise ConstraintBroken(f"a {row['state']} task with finished_at {row['finished_at']}")
    if (row["pending_reason"] is not None) != (row["state"] == "pending"):
        raise ConstraintBroken(f"a {row['state']} task with pending_reason {row['pending_reason']}")


def count(c: Connection, project_id: str, queued: int, running: int, lane_ids: list[int] | None) -> Row:
    """``lane_ids`` None leaves them; an empty queue has none."""
    queue = c.tables.project_queue[project_id]
    values = {"queued": queue["queued"] + queued, "running": queue["running"] + running}
    if min(values.values()) < 0:
        raise ConstraintBroken(f"the summary of {project_id} would be {values}")
    if values["queued"] == 0:
        lane_ids = []
    return c.update(
        "project_queue", project_id, **values, **({} if lane_ids is None else {"lane_ids": lane_ids})
    )


@answers("project_lock", writes=True)
def project_lock(c: Connection, p: Parameters) -> Answer:
    queue = c.tables.project_queue.get(p["project_id"])
    found = queue is not None and queue["tenant_id"] == p["tenant_id"]
    return Answer([{"project_id": p["project_id"]}] if found else [])


@answers("project_labels")
def project_labels(c: Connection, p: Parameters) -> Answer:
    project = c.tables.projects.get(p["project_id"])
    return Answer([{"labels": list(project["labels"])}] if project else [])


@answers("lane_find")
def lane_find(c: Connection, p: Parameters) -> Answer:
    key = (p["tenant_id"], tuple(p["labels"]), p.get("member_id") or "")
    return Answer([{"id": lane["id"]} for lane in c.tables.lanes.values() if lane["key"] == key])


@answers("lane_create", writes=True)
def lane_create(c: Connection, p: Parameters) -> Answer:
    found = lane_find(c, p)
    if found.rows:
        return found
    lane_id = c.tables.draw("lanes")
    key = (p["tenant_id"], tuple(p["labels"]), p.get("member_id") or "")
    c.insert("lanes", lane_id, {"id": lane_id, "key": key})
    return Answer([{"id": lane_id}])


@answers("task_create", writes=True)
def task_create(c: Connection, p: Parameters) -> Answer:
    queue, project = c.tables.project_queue.get(p["project_id"]), c.tables.projects.get(p["project_id"])
    if queue is None or project is None or queue["tenant_id"] != p["tenant_id"]:
        return Answer()
    labels = sorted({*p["labels"], *project["labels"]})
    lanes = lane_find(c, {**p, "labels": labels}).rows
    if not lanes:
        return Answer()
    lane_id, number, now = lanes[0]["id"], project["next_task_number"], c.tables.now()
    c.update("projects", project["id"], next_task_number=number + 1)
    row = {
        **{name: own_copy(p[name]) for name in CREATED_AS_GIVEN},
        "slug": p["slug"],
        "member_id": p["member_id"],
        "number": number,
        "lane_id": lane_id,
        "position": c.tables.draw("tasks_position"),
        "not_before": None,
        **{name: own_copy(value) for name, value in UNPLANNED.items()},
        "reason": None,
        "message": "",
        "execution_id": None,
        "change_id": None,
        "resume_from": None,
        "tries": 0,
        "uncounted_tries": 0,
        "version": 1,
        "queued_at": now if p["state"] == "queued" else None,
        "finished_at": None,
    }
    check_task(row)
    c.insert("tasks", row["id"], row)
    if row["state"] == "queued":
        lanes_now = queue["lane_ids"]
        count(c, row["project_id"], 1, 0, lanes_now if lane_id in lanes_now else [*lanes_now, lane_id])
    payload = {"state": row["state"], "number": number, "title": row["title"]}
    write_event(c, (row["tenant_id"], row["project_id"], row["id"], None), "task.created", payload)
    return Answer([{"number": number, "lane_id": lane_id}])


@answers("event_append", writes=True)
def event_append(c: Connection, p: Parameters) -> Answer:
    about = (p["tenant_id"], p["project_id"], p["task_id"], p["execution_id"])
    return Answer([{"cursor": write_event(c, about, p["kind"], p["payload"])}])


def write_event(c: Connection, about: tuple[str | None, ...], kind: str, payload: Row) -> int:
    cursor = c.tables.draw("events")
    tenant_id, project_id, task_id, execution_id = about
    c.insert(
        "events",
        cursor,
        {
            "tenant_id": tenant_id,
            "project_id": project_id,
            "task_id": task_id,
            "execution_id": execution_id,
            "kind": kind,
            "payload": payload,
        },
    )
    return cursor


@answers("task_project")
def task_project(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks.get(p["id"])
    return Answer([picked(task, "project_id")] if task and task["tenant_id"] == p["tenant_id"] else [])


@answers("task_row")
def task_row(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks.get(p["id"])
    return Answer([dict(task)] if task and task["tenant_id"] == p["tenant_id"] else [])


@answers("task_move", writes=True)
def task_move(c: Connection, p: Parameters) -> Answer:
    now, task = c.tables.now(), c.tables.tasks[p["id"]]
    delay = p["delay_seconds"]
    row = c.update(
        "tasks",
        p["id"],
        state=str(p["state"]),
        pending_reason=p["pending_reason"],
        not_before=task["start_at"]
        if p["pending_reason"] == "scheduled"
        else None
        if delay is None
        else now + delay,
        reason=p["reason"],
        message=p["message"],
        finished_at=now if p["final"] else None,
        queued_at=now if p["queued"] else task["queued_at"],
        version=task["version"] + 1,
    )
    check_task(row)
    return Answer(rowcount=1)


@answers("queue_count", writes=True)
def queue_count(c: Connection, p: Parameters) -> Answer:
    lane_ids = c.tables.project_queue[p["project_id"]]["lane_ids"]
    if p["queued"] > 0 and p["lane_id"] not in lane_ids:
        lane_ids = [*lane_ids, p["lane_id"]]
    count(c, p["project_id"], p["queued"], p["running"], lane_ids)
    return Answer(rowcount=1)


@answers("task_note_try", writes=True)
def task_note_try(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks[p["id"]]
    c.update(
        "tasks",
        p["id"],
        tries=task["tries"] + bool(p["counted"]),
        uncounted_tries=task["uncounted_tries"] + (not p["counted"]),
        change_id=p["change_id"] or task["change_id"],
    )
    return Answer(rowcount=1)


def open_dependencies(c: Connection, task_id: str) -> int:
    tasks = c.tables.tasks
    return sum(
        1
        for one, other in c.tables.task_dependencies
        if one == task_id and tasks[other]["state"] != "completed"
    )


@answers("task_dependents")
def task_dependents(c: Connection, p: Parameters) -> Answer:
    waiting = [
        c.tables.tasks[one]
        for one, other in c.tables.task_dependencies
        if other == p["id"] and c.tables.tasks[one]["pending_reason"] == "dependency"
    ]
    columns = (
        "id",
        "tenant_id",
        "project_id",
        "number",
        "state",
        "lane_id",
        "pending_reason",
        "source",
        "resolves",
    )
    return Answer(
        [
            {**picked(task, *columns), "open_dependencies": open_dependencies(c, task["id"])}
            for task in sorted(waiting, key=lambda task: task["id"])
        ]
    )


@answers("dependencies_check")
def dependencies_check(c: Connection, p: Parameters) -> Answer:
    found = [
        task
        for task_id in p["ids"]
        if (task := c.tables.tasks.get(task_id)) and task["project_id"] == p["project_id"]
    ]
    return Answer(
        [
            {
                **picked(task, "id", "number", "state", "undecided"),
                "not_chosen": False,
                "waits_for_task": reaches(c, task["id"], p["task_id"]),
            }
            for task in found
        ]
    )


def reaches(c: Connection, origin: str, target: str) -> bool:
    seen, open_ids = {origin}, [origin]
    while open_ids:
        current = open_ids.pop()
        for one, other in c.tables.task_dependencies:
            if one == current and other not in seen:
                seen.add(other)
                open_ids.append(other)
    return target in seen


@answers("dependencies_set", writes=True)
def dependencies_set(c: Connection, p: Parameters) -> Answer:
    for one, other in list(c.tables.task_dependencies):
        if one == p["task_id"] and other not in p["ids"]:
            c.delete("task_dependencies", (one, other))
    for other in p["ids"]:
        if (p["task_id"], other) not in c.tables.task_dependencies:
            c.insert("task_dependencies", (p["task_id"], other), {})
    return Answer()


@answers("task_retry_facts")
def task_retry_facts(c: Connection, p: Parameters) -> Answer:
    rows = c.tables.task_executions.values()
    left = [one["id"] for one in rows if one["task_id"] == p["id"] and one["salvage_ref"] is not None]
    salvaged = max(left, default=None)
    facts = {"open_dependencies": open_dependencies(c, p["id"]), "salvaged_execution": salvaged}
    return Answer([{**facts, "salvage_dropped": False, "watched": False}])


@answers("task_retry", writes=True)
def task_retry(c: Connection, p: Parameters) -> Answer:
    again = {"draft": False, "start_at": None, "avoid_worker_id": None, "refused_by": None, "resolutions": 0}
    c.update("tasks", p["id"], tries=0, uncounted_tries=0, resume_from=p["resume_from"], **again)
    return Answer(rowcount=1)


@answers("task_plan", writes=True)
def task_plan(c: Connection, p: Parameters) -> Answer:
    c.update(
        "tasks", p["id"], **{name: p[name] for name in ("draft", "start_at", "retry", "labels", "lane_id")}
    )
    return Answer(rowcount=1)


@answers("task_hold_facts")
def task_hold_facts(c: Connection, p: Parameters) -> Answer:
    task, tasks = c.tables.tasks[p["id"]], c.tables.tasks
    waited_for = [tasks[other] for one, other in c.tables.task_dependencies if one == p["id"]]
    ended = [other["number"] for other in waited_for if other["state"] in ("failed", "cancelled")]
    return Answer(
        [
            {
                "draft": task["draft"],
                "starts_later": task["start_at"] is not None and task["start_at"] > c.tables.now(),
                "open_dependencies": open_dependencies(c, p["id"]),
                "ended_dependency": min(ended, default=None),
                # No simulated task says what it aims at.
                "watched": False,
            }
        ]
    )


@answers("task_next_try", writes=True)
def task_next_try(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks[p["id"]]
    needed = set(c.tables.lanes[task["lane_id"]]["key"][1])
    others = [
        worker
        for worker in c.tables.workers.values()
        if worker["id"] != p["worker_id"]
        and worker["state"] in ("idle", "busy")
        and needed <= set(worker["labels"])
    ]
    avoided = p["worker_id"] if p["worker_id"] is not None and others else None
    resume_from = p["execution_id"] or (None if p["counts"] else task["resume_from"])
    until = c.tables.now() + p["seconds"] if avoided else None
    c.update("tasks", p["id"], resume_from=resume_from, avoid_worker_id=avoided, avoid_until=until)
    return Answer(rowcount=1)


@answers("task_changes")
def task_changes(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks[p["id"]]
    change = c.tables.changes.get(task["responds_to"])
    row = picked(task, "id", "number", "slug", "repositories", "workflow", "responds_to")
    return Answer([{**row, "change_branch": change and change["branch"]}])


@answers("avoided_workers")
def avoided_workers(c: Connection, p: Parameters) -> Answer:
    sets: set[tuple[str, ...]] = set()
    for task in c.tables.tasks.values():
        if task["tenant_id"] == p["tenant_id"] and task["state"] == "queued":
            failed = task["avoid_worker_id"] is not None and task["avoid_until"] > c.tables.now()
            avoided = refusers(c, task) | ({task["avoid_worker_id"]} if failed else set())
            sets.add(tuple(one for one in p["worker_ids"] if one in avoided))
    return Answer([{"worker_ids": list(one)} for one in sorted(sets) if one])


def refusers(c: Connection, task: Row) -> set[str]:
    """The workers that refused it of late."""
    return set(task["refused_by"]) if task["refused_by"] and task["refused_until"] > c.tables.now() else set()


@answers("task_refused", writes=True)
def task_refused(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks[p["id"]]
    before, needed = refusers(c, task), set(c.tables.lanes[task["lane_id"]]["key"][1])
    others = [
        worker
        for worker in c.tables.workers.values()
        if worker["id"] not in before | {p["worker_id"]}
        and worker["state"] in ("idle", "busy")
        and needed <= set(worker["labels"])
    ]
    if not others or len(before) >= p["most"]:
        return Answer()
    until = c.tables.now() + p["seconds"]
    c.update("tasks", p["id"], refused_by=[*sorted(before), p["worker_id"]], refused_until=until)
    return Answer([{"id": p["id"]}], 1)


@answers("change_of_update")
def change_of_update(c: Connection, p: Parameters) -> Answer:
    found = [one for one in c.tables.changes.values() if one.get("update_task_id") == p["task_id"]]
    return Answer([dict(one) for one in found if one["state"] == "open"])


@answers("task_is_due")
def task_is_due(c: Connection, p: Parameters) -> Answer:
    not_before = c.tables.tasks[p["id"]]["not_before"]
    return Answer([{"due": None if not_before is None else not_before <= c.tables.now()}])


def truth(c: Connection, project_id: str) -> Row:
    queued = [
        task
        for task in c.tables.tasks.values()
        if task["project_id"] == project_id and task["state"] == "queued"
    ]
    running = sum(
        1
        for one in c.tables.task_executions.values()
        if one["project_id"] == project_id and one["finished_at"] is None
    )
    return {
        "true_queued": len(queued),
        "true_running": running,
        "true_active": c.tables.projects[project_id]["automation"] == "running",
        "true_lanes": sorted({task["lane_id"] for task in queued}),
    }


@answers("drift_find")
def drift_find(c: Connection, p: Parameters) -> Answer:
    wrong = []
    for queue in c.tables.project_queue.values():
        if p["project_id"] not in (None, queue["project_id"]):
            continue
        true = truth(c, queue["project_id"])
        kept = (queue["queued"], queue["running"], queue["active"])
        counts = kept == (true["true_queued"], true["true_running"], true["true_active"])
        if not counts or sorted(queue["lane_ids"]) != true["true_lanes"]:
            missing = not set(true["true_lanes"]) <= set(queue["lane_ids"])
            wrong.append(
                {
                    **picked(queue, "project_id", "tenant_id", "queued", "running", "active"),
                    **true,
                    "lanes_missing": missing,
                }
            )
    return Answer(wrong)


@answers("drift_repair", writes=True)
def drift_repair(c: Connection, p: Parameters) -> Answer:
    c.update(
        "project_queue",
        p["project_id"],
        queued=p["queued"],
        running=p["running"],
        active=p["active"],
        lane_ids=list(p["lane_ids"]),
    )
    return Answer(rowcount=1)
