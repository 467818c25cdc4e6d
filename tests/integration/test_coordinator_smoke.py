"""The main road through the coordinator's surface."""

from tests.coordinator import RunningCoordinator


async def test_a_task_is_claimed_delivered_and_merged(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    assert grant.task.id == task["id"]
    assert (await worker.deliver(grant)).status_code == 200
    done = await coordinator.until_task(task["id"], "completed")
    change = await coordinator.get(f"/changes/{done['change_id']}")
    assert change["state"] == "open"
    await coordinator.post(f"/changes/{change['id']}/merge", status=202)
    errand = (await worker.poll(slots=0, wait=5)).errands[0]
    body = f'{{"fence": {errand.fence}, "done": true, "commit": "{"c" * 40}"}}'.encode()
    assert (await worker.post(f"/errands/{errand.id}", body)).status_code == 200
    merged = await coordinator.get(f"/changes/{change['id']}")
    assert (merged["state"], merged["merged_commit"], merged["errand"]["state"]) == (
        "merged",
        "c" * 40,
        "done",
    )
