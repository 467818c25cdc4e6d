"""Budgets, what was spent, and the questions that a spent budget asks, as their SQL has them."""

from datetime import UTC, date, datetime
from typing import Any

from simulation.memory import Answer, Connection, Row, Tables, answers
from simulation.statements_claim import live
from simulation.statements_executions import Agreeable, change_execution, own
from simulation.statements_tasks import Parameters, picked

UNITS = ("micros", "tokens")
HIDDEN = ("diff", "diffstat", "receipt")
EVER = date(2000, 1, 1)


def start_of(tables: Tables, period: str) -> date:
    today = tables.today()
    return {"day": today, "month": today.replace(day=1)}.get(period, EVER)


def in_period(tables: Tables, budget: Row) -> Row:
    """As of now: a period that is over has nothing spent."""
    start = start_of(tables, budget["period"])
    if budget["period_start"] == start:
        return {**budget, "start": start}
    names = [f"{kind}_{unit}" for kind in ("spent", "extra") for unit in UNITS]
    return {**budget, **dict.fromkeys(names, 0), "warned": False, "start": start}


def tokens_of(execution: Row) -> int:
    tokens: int = execution["input_tokens"] + execution["output_tokens"]
    return tokens


@answers("spending_lock", writes=True)
def spending_lock(c: Connection, p: Parameters) -> Answer:
    row = own(c.tables.task_executions, p)
    if row is None:
        return Answer()
    task, question = c.tables.tasks[row["task_id"]], row["question"]
    told_at = row["usage_told_at"]
    found = {
        **row,
        "question": question and {name: value for name, value in question.items() if name not in HIDDEN},
        "is_news": told_at is None or told_at < c.tables.now() - 5.0,
        "task_micros": task["budget_micros"],
        "task_tokens": task["budget_tokens"],
    }
    if "spending-fence" in c.removed:
        found |= {"fence": Agreeable(row["fence"]), "finished_at": None}
    return Answer([found])


@answers("budgets_lock", writes=True)
def budgets_lock(c: Connection, p: Parameters) -> Answer:
    columns = (
        *("id", "tenant_id", "project_id", "scope", "period", "limit_micros", "limit_tokens"),
        *("warn_percent", "start", "spent_micros", "spent_tokens", "extra_micros", "extra_tokens", "warned"),
    )
    return Answer(
        [
            picked(in_period(c.tables, one), *columns)
            for one in sorted(c.tables.budgets.values(), key=lambda one: one["id"])
            if one["tenant_id"] == p["tenant_id"] and one["project_id"] in (None, p["project_id"])
        ]
    )


@answers("spending_add", writes=True)
def spending_add(c: Connection, p: Parameters) -> Answer:
    key = (p["project_id"], c.tables.today())
    if key not in c.tables.spending:
        c.insert("spending", key, {"tenant_id": p["tenant_id"], "micros": 0, "tokens": 0})
    row = c.tables.spending[key]
    c.update("spending", key, **{unit: row[unit] + p[unit] for unit in UNITS})
    return Answer(rowcount=1)


@answers("spending_note", writes=True)
def spending_note(c: Connection, p: Parameters) -> Answer:
    row = c.tables.task_executions[p["id"]]
    told_at = c.tables.now() if p["told"] else row["usage_told_at"]
    usage = picked(dict(p), "input_tokens", "output_tokens", "cost_micros")
    return change_execution(c, p["id"], **usage, usage_told_at=told_at)


@answers("budget_spend", writes=True)
def budget_spend(c: Connection, p: Parameters) -> Answer:
    names = ("spent_micros", "spent_tokens", "extra_micros", "extra_tokens", "warned")
    c.update("budgets", p["id"], period_start=p["start"], **picked(dict(p), *names))
    return Answer(rowcount=1)


@answers("budgets_held")
def budgets_held(c: Connection, p: Parameters) -> Answer:
    others = [
        one
        for one in live(c)
        if one["tenant_id"] == p["tenant_id"] and one["share_number"] > 0 and one["id"] != p["id"]
    ]
    mine = [one for one in others if one["project_id"] == p["project_id"]]
    held: Row = {}
    for scope, ones in (("tenant", others), ("project", mine)):
        held[f"{scope}_claimants"] = len(ones)
        held[f"{scope}_micros"] = sum(max(0, (one["share_micros"] or 0) - one["cost_micros"]) for one in ones)
        held[f"{scope}_tokens"] = sum(max(0, (one["share_tokens"] or 0) - tokens_of(one)) for one in ones)
    return Answer([dict.fromkeys(held, 0) if "held-shares" in c.removed else held])


@answers("task_spent")
def task_spent(c: Connection, p: Parameters) -> Answer:
    tries = [one for one in c.tables.task_executions.values() if one["task_id"] == p["task_id"]]
    micros, tokens = sum(one["cost_micros"] for one in tries), sum(map(tokens_of, tries))
    return Answer([{"micros": micros, "tokens": tokens}])


@answers("share_set", writes=True)
def share_set(c: Connection, p: Parameters) -> Answer:
    shares = {f"share_{unit}": p[unit] for unit in UNITS}
    return change_execution(c, p["id"], **shares, share_number=p["number"])


@answers("execution_warned", writes=True)
def execution_warned(c: Connection, p: Parameters) -> Answer:
    return change_execution(c, p["id"], budget_warned=True)


@answers("execution_extra", writes=True)
def execution_extra(c: Connection, p: Parameters) -> Answer:
    row = c.tables.task_executions[p["id"]]
    return change_execution(c, p["id"], **{f"extra_{unit}": row[f"extra_{unit}"] + p[unit] for unit in UNITS})


@answers("task_allow", writes=True)
def task_allow(c: Connection, p: Parameters) -> Answer:
    task = c.tables.tasks[p["id"]]
    limits = {f"budget_{unit}": task[f"budget_{unit}"] if p[unit] is None else p[unit] for unit in UNITS}
    c.update("tasks", p["id"], **limits, version=task["version"] + 1)
    return Answer(rowcount=1)


def spent_until(c: Connection, scope: str, **whose: str) -> float | None:
    """When the last of the spent budgets begins anew."""
    ends = [
        c.tables.end_of_day() if one["period"] == "day" else float("inf")
        for one in c.tables.budgets.values()
        if one["scope"] == scope
        and all(one[name] == value for name, value in whose.items())
        and one["period_start"] == start_of(c.tables, one["period"])
        and any(
            one[f"limit_{unit}"] is not None
            and one[f"spent_{unit}"] >= one[f"limit_{unit}"] + one[f"extra_{unit}"]
            for unit in UNITS
        )
    ]
    return max(ends, default=None)


@answers("project_spent_until", writes=True)
def project_spent_until(c: Connection, p: Parameters) -> Answer:
    until = spent_until(c, "project", project_id=p["project_id"])
    c.update("project_queue", p["project_id"], spent_until=until)
    return Answer(rowcount=1)


@answers("tenant_spent_until", writes=True)
def tenant_spent_until(c: Connection, p: Parameters) -> Answer:
    until = spent_until(c, "tenant", tenant_id=p["tenant_id"])
    c.update("tenants", p["tenant_id"], spent_until=until)
    return Answer(rowcount=1)


@answers("budget_set", writes=True)
def budget_set(c: Connection, p: Parameters) -> Answer:
    key = ("tenant_id", "project_id", "scope", "period")
    wanted = picked(dict(p), "limit_micros", "limit_tokens", "warn_percent")
    for one in c.tables.budgets.values():
        if all(one[name] == p[name] for name in key):
            c.update("budgets", one["id"], **wanted, warned=False)
            return Answer([{"id": one["id"]}])
    start = start_of(c.tables, p["period"])
    days = [
        row
        for (project_id, day), row in c.tables.spending.items()
        if row["tenant_id"] == p["tenant_id"] and p["project_id"] in (None, project_id) and day >= start
    ]
    c.insert(
        "budgets",
        p["id"],
        {
            **picked(dict(p), "id", *key),
            **wanted,
            "period_start": start,
            **{f"spent_{unit}": sum(row[unit] for row in days) for unit in UNITS},
            **{f"extra_{unit}": 0 for unit in UNITS},
            "warned": False,
        },
    )
    return Answer([{"id": p["id"]}])


def moment(c: Connection) -> str:
    return datetime.fromtimestamp(c.tables.now(), UTC).isoformat()


@answers("question_ask", writes=True)
def question_ask(c: Connection, p: Parameters) -> Answer:
    now, row = c.tables.now(), c.tables.task_executions[p["id"]]
    return change_execution(
        c,
        p["id"],
        state="waiting_input",
        question={**p["question"], "asked_at": moment(c)},
        acknowledged_at=row["acknowledged_at"] or now,
        started_at=row["started_at"] or now,
    )


@answers("question_answer", writes=True)
def question_answer(c: Connection, p: Parameters) -> Answer:
    given = {"answer": p["answer"], "answered_at": moment(c), "answered_by": p["member_id"]}
    question = {**c.tables.task_executions[p["id"]]["question"], **given}
    return change_execution(c, p["id"], state=str(p["state"]), question=question)


@answers("question_taken", writes=True)
def question_taken(c: Connection, p: Parameters) -> Answer:
    return change_execution(
        c, p["id"], question={**c.tables.task_executions[p["id"]]["question"], "taken": True}
    )


def refuse(c: Connection, task: Row, worker_id: str, seconds: float) -> None:
    """Not given to the worker before the provider's limit ends."""
    if "quota-refuses" in c.removed:
        return
    now = c.tables.now()
    until, known = task["refused_until"] or now, task["refused_by"] or []
    others = [one for one in known if one != worker_id] if until > now else []
    c.update(
        "tasks",
        task["id"],
        refused_by=[*others, worker_id],
        refused_until=max(until, now + seconds),
        quota_until=now + seconds,
    )


@answers("task_quota", writes=True)
def task_quota(c: Connection, p: Parameters) -> Answer:
    refuse(c, c.tables.tasks[p["id"]], p["worker_id"], p["seconds"])
    return Answer(rowcount=1)


@answers("quota_close", writes=True)
def quota_close(c: Connection, p: Parameters) -> Answer:
    """All agents of a history are the same one, and no key was sealed."""
    row: Any = own(c.tables.task_executions, p, "execution_id")
    if row is None or row["worker_id"] != p["worker_id"]:
        return Answer()
    for task in list(c.tables.tasks.values()):
        if task["tenant_id"] == p["tenant_id"] and task["state"] == "queued":
            refuse(c, task, p["worker_id"], p["seconds"])
    return Answer()
