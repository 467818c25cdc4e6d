"""What happens to a change while it is brought up to date, or waits for it."""

import msgspec
from sqlalchemy import text

from pullyard.protocol.errands import TrialResult
from pullyard.protocol.worker import Diffstat, FileChange
from tests.coordinator import RunningCoordinator, change_of, running_coordinator
from tests.integration.test_change_conflicts import comparison, open_change, publish, report
from tests.integration.test_change_updates import RULES, merge, until
from tests.integration.test_comparisons import choose, compare


async def test_an_update_may_spend_what_the_change_itself_could(coordinator: RunningCoordinator) -> None:
    project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
    first = await open_change(coordinator, worker, project_id, "1")
    limits = {"budget_micros": 5_000_000, "budget_tokens": 70_000}
    task = await coordinator.task(project_id, **limits)
    await publish(worker, await worker.claim(), "2")
    late = (await coordinator.until_task(task["id"], "completed"))["change_id"]
    await merge(coordinator, worker, first)
    change = await until(coordinator, late, because_of=[first])
    update = await coordinator.get(f"/tasks/{change['update']['task_id']}")
    assert {name: update[name] for name in limits} == limits


# As many more that are behind as are looked at together, all older than those that are made next.
TWENTY = """
INSERT INTO changes SELECT made.* FROM changes c, generate_series(1, 20) AS n, jsonb_populate_record(
    c, jsonb_build_object('id', concat(c.id, '-', n), 'repository', concat(n), 'repository_url', concat(n),
        'behind', jsonb_build_array(c.id))
) made WHERE c.task_id = :task_id
"""
# Their project is not found.
OTHER = "INSERT INTO tenants (id, name) SELECT 'other', 'other' WHERE :task_id <> ''"
SPOIL = "UPDATE changes SET tenant_id = 'other' WHERE task_id = :task_id AND repository IS NOT NULL"


async def store(coordinator: RunningCoordinator, task_id: str, *statements: str) -> None:
    async with coordinator.served.services.database.transaction() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"task_id": task_id})


async def test_candidates_that_were_not_chosen_are_in_nobodys_way(database_url: str) -> None:
    async with running_coordinator(database_url, caretaker_seconds=3600) as coordinator:
        project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
        comparison = await compare(coordinator, project_id)
        for commit in "12":
            await publish(worker, await worker.claim(), commit)
        chosen, other = [one["task_id"] for one in comparison["candidates"]]
        await coordinator.until_task(other, "completed")
        assert (await choose(coordinator, comparison, chosen)).is_success
        await store(coordinator, other, TWENTY)
        [close] = (await worker.poll(slots=0, wait=10)).errands
        assert close.kind.value == "close"
        first, late = [await open_change(coordinator, worker, project_id, commit) for commit in "34"]
        await merge(coordinator, worker, first)
        await until(coordinator, late, because_of=[first])


async def test_changes_that_can_not_be_judged_are_not_looked_at_alone(database_url: str) -> None:
    async with running_coordinator(database_url, caretaker_seconds=0.05) as coordinator:
        project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
        bad = await coordinator.get(f"/changes/{await open_change(coordinator, worker, project_id, '1')}")
        await store(coordinator, bad["task_id"], TWENTY, OTHER, SPOIL)
        first, late = [await open_change(coordinator, worker, project_id, commit) for commit in "23"]
        await merge(coordinator, worker, first)
        updated = await until(coordinator, late, because_of=[first])
        assert updated["update"]["task_id"] is not None


async def test_a_change_that_was_merged_is_not_brought_up_to_date_any_more(
    coordinator: RunningCoordinator,
) -> None:
    project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
    first, second, late = [await open_change(coordinator, worker, project_id, commit) for commit in "123"]
    await merge(coordinator, worker, first)
    waiting = (await until(coordinator, late, because_of=[first]))["update"]["task_id"]
    running = (await until(coordinator, second, because_of=[first]))["update"]["task_id"]
    grant = await worker.claim()
    assert grant.task.id == running
    for change_id in (second, late):
        await merge(coordinator, worker, change_id)
    assert (await coordinator.get(f"/tasks/{waiting}"))["state"] == "cancelled"
    # It is told to stop, and may be at its end before it hears of that.
    await publish(worker, grant, "4")
    ended = await coordinator.until_task(running, "completed")
    assert ended["change_id"] is None
    page = await coordinator.get(f"/changes?project_id={project_id}")
    assert sorted(one["state"] for one in page["items"]) == ["merged"] * 3


async def test_a_trial_merge_into_what_the_base_branch_was_says_nothing(
    coordinator: RunningCoordinator,
) -> None:
    project_id, old = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
    first = await open_change(coordinator, old, project_id, "1", "a")
    late = await open_change(coordinator, old, project_id, "2", "b")
    worker = await coordinator.worker(protocol=4)
    before = await comparison(worker)
    await merge(coordinator, old, first)
    assert before.compare is not None
    places = range(len(before.compare.merges))
    await report(worker, before, *(TrialResult(place=place, files=[], total=0) for place in places))
    after = await comparison(worker)
    await report(worker, after, TrialResult(place=0, files=["b"], total=1))
    await until(coordinator, late, because_of=[first])


async def test_what_an_update_has_brought_in_is_brought_in_once(coordinator: RunningCoordinator) -> None:
    project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
    first = await open_change(coordinator, worker, project_id, "1", "a")
    second = await open_change(coordinator, worker, project_id, "2", "b")
    third = await open_change(coordinator, worker, project_id, "4", "b")
    diffstat = [FileChange(path=path, status="modified") for path in "ab"]
    task = await coordinator.task(project_id)
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    both = msgspec.structs.replace(
        change_of(grant), diffstat=Diffstat(files=diffstat, additions=1, deletions=0)
    )
    assert (await worker.finish(grant, change=both)).is_success
    late = (await coordinator.until_task(task["id"], "completed"))["change_id"]
    await merge(coordinator, worker, first)
    await until(coordinator, late, because_of=[first])
    # It waits in the queue meanwhile.
    await merge(coordinator, worker, second)
    grant = await worker.claim()
    await merge(coordinator, worker, third)
    change = msgspec.structs.replace(both, commit="3" * 40)
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    assert (await worker.finish(grant, change=change)).is_success
    await until(coordinator, late, because_of=[third])
