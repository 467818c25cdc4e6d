"""What was used, by time, project, agent and model, for people and for sheets."""

import asyncio
import csv
import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pullyard.protocol.worker import Usage
from tests.cli_program import Program
from tests.coordinator import RunningCoordinator, coordinator
from tests.postgres import database_url, postgres_server
from tests.warm import Warm

__all__ = ["coordinator", "database_url", "postgres_server"]

CLAUDE = {"name": "claude-code", "settings": {}}
SONNET = {"provider": "anthropic", "model": "sonnet"}


async def execute(coordinator: RunningCoordinator, statement: str, **values: Any) -> None:
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(text(statement), values)


async def work(
    coordinator: RunningCoordinator, project: str, at: str | None = None, micros: int = 100, **finish: Any
) -> str:
    """An execution that began at that moment."""
    await coordinator.task(project)
    worker = await coordinator.worker()
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    usage = Usage(input_tokens=10 * micros, output_tokens=micros, cost_micros=micros)
    told = await worker.finish(grant, usage=usage, phase_seconds={"implement": 2.5}, **finish)
    assert told.status_code == 200, told.text
    if at is not None:
        statement = (
            "UPDATE task_executions SET assigned_at = CAST(CAST(:at AS text) AS timestamptz) WHERE id = :id"
        )
        await execute(coordinator, statement, at=at, id=grant.execution_id)
    return grant.execution_id


async def costs(coordinator: RunningCoordinator, **query: Any) -> dict[str, Any]:
    answer = await coordinator.http.get("/api/v1/costs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def shown(report: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(row["key"], row["cost_micros"], row["executions"]) for row in report["rows"]]


async def test_months_and_days_end_by_utc(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    made = await work(coordinator, project)
    (today,) = (await costs(coordinator, by="day"))["rows"]
    execution = await coordinator.get(f"/executions/{made}")
    assert today["key"] == execution["assigned_at"][:10]
    day = today["key"]
    await execute(coordinator, "DELETE FROM task_executions WHERE id = :id", id=made)
    # Within the two days by which clocks may differ.
    moments = (f"{day}T00:00:00+00", f"{day}T01:30:00+02", f"{day}T23:59:59.999999+00", f"{day}T23:00:00-02")
    for number, moment in enumerate(moments):
        await work(coordinator, project, moment, 10**number)
    report = await costs(coordinator, by="day", since=day, until=next_day(day))
    assert shown(report) == [(day, 101, 2)]
    assert (report["total"]["seconds"], report["total"]["input_tokens"]) == (5.0, 1010)
    (month,) = (await costs(coordinator, by="month", since=day, until=next_day(day)))["rows"]
    assert month["key"] == day[:7]
    february = await costs(coordinator, until="2024-03-01")
    assert (february["since"], february["until"]) == ("2024-02-01", "2024-03-01")
    assert (await costs(coordinator, since="2024-02-10"))["until"] == "2024-03-01"


def next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


async def test_every_try_counts_and_other_tenants_do_not(coordinator: RunningCoordinator) -> None:
    retry = {"max_tries": 2, "backoff_seconds": 0}
    one, other = await coordinator.project(retry=retry), await coordinator.project()
    await work(coordinator, one, micros=5, reason="agent_failed")
    worker = await coordinator.worker()
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await worker.finish(grant, usage=Usage(cost_micros=7))
    await work(coordinator, other, micros=50)
    report = await costs(coordinator, by="project")
    assert shown(report) == [(other, 50, 1), (one, 12, 2)]
    assert shown(await costs(coordinator, by="project", project_id=one)) == [(one, 12, 2)]
    assert report["rows"][0]["name"] == (await coordinator.get(f"/projects/{other}"))["name"]
    await execute(coordinator, "INSERT INTO tenants (id, name) VALUES ('ten_other', 'other')")
    await execute(coordinator, "UPDATE task_executions SET tenant_id = 'ten_other'")
    empty = await costs(coordinator, by="project")
    assert (empty["rows"], empty["total"]["executions"]) == ([], 0)
    foreign = await coordinator.http.get("/api/v1/costs", params={"project_id": "proj_nobodys"})
    assert foreign.status_code == 404


async def test_agents_and_models_are_told_by_workers(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(agent=CLAUDE)
    await work(coordinator, project, micros=10)
    models = [
        {**SONNET, "cost_micros": 60, "input_tokens": 600, "output_tokens": 60},
        {"provider": "openai", "model": "gpt", "cost_micros": 30, "input_tokens": 300, "output_tokens": 30},
    ]
    await work(coordinator, project, micros=100, facts={"agent": "codex", "models": models})
    nonsense = [{**SONNET, "cost_micros": "all", "input_tokens": -5, "output_tokens": 1e300}, 7, None]
    await work(coordinator, project, micros=1, facts={"agent": "x", "models": nonsense})
    by_agent = shown(await costs(coordinator, by="agent"))
    assert by_agent == [("codex", 100, 1), ("claude-code", 10, 1), ("x", 1, 1)]
    by_model = await costs(coordinator, by="model")
    # What is left of the second one, all of the first, and of the third what is no number.
    assert [row for row in shown(by_model) if row[1]] == [
        ("anthropic/sonnet", 60, 2),
        ("openai/gpt", 30, 1),
        (None, 21, 3),
    ]
    assert (by_model["total"]["cost_micros"], by_model["total"]["executions"]) == (111, 3)
    by_provider = await costs(coordinator, by="provider")
    assert [row["cost_micros"] for row in by_provider["rows"] if row["key"]] == [60, 30]


async def test_the_command_line_shows_a_table_and_a_sheet(
    coordinator: RunningCoordinator, tmp_path: Path, warm: Warm
) -> None:
    project = await coordinator.project()
    await work(coordinator, project, micros=1_500_000)
    program = Program(tmp_path, warm)
    token = coordinator.http.headers["authorization"].removeprefix("Bearer ")
    program.environment |= {"PULLYARD_URL": coordinator.url, "PULLYARD_TOKEN": token}
    name = (await coordinator.get(f"/projects/{project}"))["name"]
    said = await asyncio.to_thread(program.ok, "costs", "--by", "project", "--project", name)
    row, total = (line.split() for line in said.splitlines()[1:])
    assert row == [name, "$1.50", "15000000", "1500000", "1", "0.0"]
    assert total == ["all", *row[1:]]
    sheet = await asyncio.to_thread(program.ok, "costs", "--by", "agent", "--csv")
    assert sheet.splitlines()[1].split(",")[2] == "1500000"


@pytest.mark.parametrize("accept", [{"params": {"format": "csv"}}, {"headers": {"accept": "text/csv"}}])
async def test_a_sheet_is_given_no_formula(coordinator: RunningCoordinator, accept: dict[str, Any]) -> None:
    project = await coordinator.project()
    await work(coordinator, project, facts={"agent": "=HYPERLINK(1)"})
    accept["params"] = {"by": "agent", **accept.get("params", {})}
    answer = await coordinator.http.get("/api/v1/costs", **accept)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "by-agent.csv" in answer.headers["content-disposition"]
    head, row = csv.reader(io.StringIO(answer.text))
    assert head == ["agent", "name", "cost_micros", "input_tokens", "output_tokens", "executions", "seconds"]
    assert row == ["'=HYPERLINK(1)", "", "100", "1000", "100", "1", "2.5"]


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-03-01", "until": "2026-03-01"},
        {"since": "2026-03-02", "until": "2026-03-01"},
        {"since": "2000-01-01", "until": "2026-01-01"},
        {"since": "0001-01-01", "until": "0001-02-01"},
        {"since": "9999-12-31"},
        {"until": "0001-01-01"},
        {"since": "yesterday"},
        {"by": "weather"},
        {"format": "pdf"},
    ],
)
async def test_a_report_that_is_none_is_refused(
    coordinator: RunningCoordinator, query: dict[str, str]
) -> None:
    assert (await coordinator.http.get("/api/v1/costs", params=query)).status_code == 422
