"""What happens to a change while it is brought up to date, or waits for it."""

from tests.coordinator import RunningCoordinator
from tests.integration.test_change_conflicts import open_change, publish
from tests.integration.test_change_updates import RULES, merge, until


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
