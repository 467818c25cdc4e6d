"""What executions have used, summed up by time, by project or by what did the work."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle.ids import Kind, least_id
from pullyard.protocol.costs import Costs, CostsBy, CostsReport, CostsRow
from pullyard.protocol.errors import RequestError
from pullyard.store.queries import named

MOST_ROWS = 5_000
MOST_DAYS = 5 * 366
MOST = timedelta(days=MOST_DAYS)
CLOCKS_DIFFER = timedelta(days=2)
"""An id has the time of the coordinator that made it, which may not be the database's."""
BY_MODEL = (CostsBy.PROVIDER, CostsBy.MODEL)
COLUMNS = ("key", "name", "cost_micros", "input_tokens", "output_tokens", "executions", "seconds")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_days(since: date | None, until: date | None) -> tuple[date, date]:
    """By UTC; without them this month up to its end. Raises RequestError."""
    refusal = RequestError(
        f"A report is of 1 to {MOST_DAYS} days, from 'since' on and before 'until'.", code="days", status=422
    )
    if any(day is not None and not 2000 < day.year < 9000 for day in (since, until)):
        raise refusal
    since = since or month_of(until - timedelta(days=1) if until else datetime.now(UTC).date())
    until = until or month_of(since.replace(day=28) + timedelta(days=4))
    if not timedelta() < until - since <= MOST:
        raise refusal
    return since, until


def month_of(day: date) -> date:
    """Its first day."""
    return day.replace(day=1)


async def report_costs(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    by: CostsBy,
    days: tuple[date, date],
    project_id: str | None,
) -> CostsReport:
    since, until = days
    rows = await connection.execute(
        named("costs_by_model" if by in BY_MODEL else "costs_by"),
        {
            "tenant_id": tenant_id,
            "by": by,
            "since": since,
            "until": until,
            "least_id": least_id(Kind.EXECUTION, midnight(since) - CLOCKS_DIFFER),
            "most_id": least_id(Kind.EXECUTION, midnight(until) + CLOCKS_DIFFER),
            "project_id": project_id,
            "limit": MOST_ROWS + 2,
        },
    )
    found = [dict(row) for row in rows.mappings()]
    total = next(row for row in found if row["is_total"])
    others = [row for row in found if not row["is_total"]]
    return CostsReport(
        since=since,
        until=until,
        by=by,
        project_id=project_id,
        rows=[CostsRow(**picked(row)) for row in others[:MOST_ROWS]],
        truncated=len(others) > MOST_ROWS,
        total=Costs(**picked(total, COLUMNS[2:])),
    )


def picked(row: Mapping[Any, Any], columns: tuple[str, ...] = COLUMNS) -> dict[str, Any]:
    return {name: row[name] for name in columns}


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def as_csv(report: CostsReport) -> str:
    """Without its total: a sheet adds up by itself."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow((report.by, *COLUMNS[1:]))
    for row in report.rows:
        writer.writerow([cell(getattr(row, name)) for name in COLUMNS])
    return written.getvalue()


def cell(value: object) -> object:
    """What a sheet would take for a formula is text there."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
