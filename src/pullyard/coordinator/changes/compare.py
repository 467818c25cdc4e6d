"""Which open changes can't both be merged, or not any more: a worker tries it, and only names come back."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.read import read_change
from pullyard.coordinator.changes.rows import about, read_change_row
from pullyard.coordinator.errands.create import create_errand
from pullyard.coordinator.events.write import tell
from pullyard.coordinator.storable import storable
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.protocol.errands import (
    MOST_MERGES,
    SHOWN_CHARACTERS,
    CompareErrand,
    TrialMerge,
    TrialResult,
)
from pullyard.protocol.worker import Errand, ErrandReport, RepositorySpec
from pullyard.store.queries import named

MOST_CHANGES = 20


async def wanted_comparisons(connection: AsyncConnection) -> list[Any]:
    """Projects with a change that was not tried yet."""
    return list((await connection.execute(named("compare_wanted"))).all())


async def request_comparisons(connection: AsyncConnection) -> bool:
    """Whether a worker is asked now, for any project with a change that was not tried yet. Repeatable."""
    wanted = await wanted_comparisons(connection)
    for row in wanted:
        await lock_project(connection, row.tenant_id, row.project_id)
    # Another replica may have asked before the lock was ours.
    still = await wanted_comparisons(connection) if wanted else []
    unasked = [one for one in still if one in wanted]
    for row in unasked:
        await create_errand(connection, row.tenant_id, row.project_id, ErrandKind.COMPARE)
    return bool(unasked)


async def compare_errand(connection: AsyncConnection, row: Any) -> Errand:
    """What is to be tried is looked up now, so that it is of the commits as they are."""
    due = {"project_id": row.project_id, "most": MOST_CHANGES}
    merges = (await connection.execute(named("compare_due"), due)).all()[:MOST_MERGES]
    given = [[one.one_id, one.other_id, one.one_commit, one.other_commit] for one in merges]
    # Those that are not among the newest are not tried, and not asked for again either.
    uncompared = await connection.execute(named("compare_open"), {"project_id": row.project_id})
    over = [[one.id, one.commit] for one in uncompared.all()]
    parameters = {"id": row.id, "given": {"merges": given, "over": over}}
    await connection.execute(named("errand_given"), parameters)
    return Errand(
        id=row.id,
        fence=row.fence,
        kind=ErrandKind(row.kind),
        repository=RepositorySpec(url=row.repository, forge=row.forge),
        compare=CompareErrand(
            merges=[
                TrialMerge(commit=one.one_commit, other=one.other_commit, base_branch=one.base_branch)
                for one in merges
            ]
        ),
    )


async def compare_errand_ended(
    connection: AsyncConnection, errand: Any, report: ErrandReport, message: str
) -> None:
    """What could not be tried is not tried again before something has moved."""
    del message
    # A base branch has moved since: what was tried into it, and what was not, is asked for again.
    stale = errand.given.get("stale", False)
    changed: set[str] = set()
    for merge, result in tried_merges(errand.given.get("merges", []), report):
        if not (stale and merge[1] is None):
            changed.update(await note_result(connection, merge, result))
    for change_id in sorted(changed):
        await tell_conflicts(connection, errand.tenant_id, change_id)
    over = [] if stale else errand.given.get("over", [])
    ids, commits = [one[0] for one in over], [one[1] for one in over]
    await connection.execute(named("compare_over"), {"ids": ids, "commits": commits})


def tried_merges(merges: list[list[Any]], report: ErrandReport) -> list[tuple[list[Any], TrialResult]]:
    """What was asked for, each with what the worker says of it."""
    results = report.compare.results if report.done and report.compare else []
    return [(merges[one.place], one) for one in results if 0 <= one.place < len(merges)]


async def note_result(connection: AsyncConnection, merge: list[Any], result: TrialResult) -> list[str]:
    """The changes for which that is news."""
    one_id, other_id, one_commit, other_commit = merge
    files = storable([name[:SHOWN_CHARACTERS] for name in result.files])
    found = {"files": files, "total": max(result.total, len(files))}
    if other_id is None:
        parameters = {"id": one_id, "commit": one_commit, **found}
        before = (await connection.execute(named("compare_base"), parameters)).one_or_none()
        if before is None:
            return []
    else:
        commits = {"one_commit": one_commit, "other_commit": other_commit}
        parameters = {"one_id": one_id, "other_id": other_id, **commits, **found}
        before = (await connection.execute(named("compare_pair"), parameters)).one_or_none()
    known = (0, []) if before is None else (before.total, before.files)
    if known == (found["total"], files):
        return []
    return [one_id] if other_id is None else [one_id, other_id]


async def tell_conflicts(connection: AsyncConnection, tenant_id: str, change_id: str) -> None:
    row = await read_change_row(connection, tenant_id, change_id)
    if row.state != ChangeState.OPEN:
        return
    shown = await read_change(connection, tenant_id, change_id)
    conflicts = [{"change_id": one.change_id, "total": one.total} for one in shown.conflicts]
    payload = {"change_id": change_id, "state": row.state, "conflicts": conflicts}
    await tell(connection, "change.conflicts", about(row), payload)
