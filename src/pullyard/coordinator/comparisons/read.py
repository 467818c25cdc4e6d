"""Comparisons as people and programs read them, with their candidates side by side."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle import comparison as lifecycle
from pullyard.lifecycle.change import ChangeState
from pullyard.lifecycle.comparison import comparison_state
from pullyard.lifecycle.task import FINAL_TASK_STATES, TaskState
from pullyard.protocol.comparisons import Candidate, CandidateTests, Comparison
from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named

_CHOOSABLE = frozenset({ChangeState.OPEN, ChangeState.MERGED})


@dataclass(frozen=True)
class Wanted:
    """None matches everything."""

    comparison_id: str | None = None
    project_id: str | None = None
    before_id: str | None = None
    limit: int = 1


async def list_comparisons(connection: AsyncConnection, tenant_id: str, wanted: Wanted) -> list[RowMapping]:
    parameters = {
        "tenant_id": tenant_id,
        "id": wanted.comparison_id,
        "project_id": wanted.project_id,
        "before": wanted.before_id,
        "limit": wanted.limit,
    }
    return list((await connection.execute(named("comparisons_list"), parameters)).mappings())


async def read_candidates(
    connection: AsyncConnection, tenant_id: str, ids: Sequence[str]
) -> Mapping[str, list[RowMapping]]:
    """By comparison, in the order in which they were named."""
    rows = await connection.execute(
        named("comparison_candidates"), {"tenant_id": tenant_id, "ids": list(ids)}
    )
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for row in rows.mappings():
        found[row["comparison_id"]].append(row)
    return found


def is_delivered(row: Mapping[Any, Any]) -> bool:
    return row["state"] == TaskState.COMPLETED and row["change_state"] in _CHOOSABLE


def as_candidate(row: Mapping[Any, Any]) -> lifecycle.Candidate:
    delivered = is_delivered(row)
    return lifecycle.Candidate(
        task_id=row["task_id"],
        number=row["number"],
        ended=row["state"] in FINAL_TASK_STATES,
        delivered=delivered,
        passed=delivered and row["passed"] is True and row["commands"] > 0,
        finished_at=row["finished_at"],
        cost_micros=row["cost_micros"],
        metered=row["input_tokens"] + row["output_tokens"] > 0,
        changed_lines=row["additions"] + row["deletions"],
    )


def candidate_resource(row: Mapping[Any, Any], chosen_task_id: str | None) -> Candidate:
    tallies: list[dict[str, Any]] = row["tests"]
    tests = CandidateTests(
        **{name: sum(tally[name] for tally in tallies) for name in CandidateTests.model_fields}
    )
    return Candidate.model_validate(
        {
            **row,
            "verified": row["passed"],
            "tests": tests if tallies else None,
            "delivered": is_delivered(row),
            "chosen": row["task_id"] == chosen_task_id,
        }
    )


def comparison_resource(row: RowMapping, candidates: Sequence[RowMapping]) -> Comparison:
    state = comparison_state(
        [as_candidate(one) for one in candidates],
        decided=row["decided_at"] is not None,
        chosen_task_id=row["chosen_task_id"],
    )
    shown = [candidate_resource(one, row["chosen_task_id"]) for one in candidates]
    return Comparison.model_validate({**row, "state": state, "candidates": shown})


async def read_comparison(connection: AsyncConnection, tenant_id: str, comparison_id: str) -> Comparison:
    rows = await list_comparisons(connection, tenant_id, Wanted(comparison_id=comparison_id))
    if not rows:
        raise NotFound("comparison")
    candidates = await read_candidates(connection, tenant_id, [comparison_id])
    return comparison_resource(rows[0], candidates[comparison_id])
