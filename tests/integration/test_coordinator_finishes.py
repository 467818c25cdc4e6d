"""Finishes that come together are written together, and each is told of its own."""

import asyncio

import msgspec
import pytest
from httpx import Response
from sqlalchemy import text
from structlog.testing import capture_logs

from pullyard.lifecycle.execution import Phase
from pullyard.protocol.worker import ClaimAnswer, FinishRequest, Grant, Usage
from tests.coordinator import RunningCoordinator, WireWorker, change_of, running_coordinator
from tests.eventually import eventually

ALL_PHASES = list(Phase)


async def grants(coordinator: RunningCoordinator, worker: WireWorker, number: int) -> list[Grant]:
    project_id = await coordinator.project(max_running=number)
    for _ in range(number):
        await coordinator.task(project_id)
    given: list[Grant] = []
    while len(given) < number:
        given += (await worker.poll(slots=number - len(given), wait=5)).grants
    return given


async def test_a_group_holds_good_ones_and_bad_ones(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=100) as coordinator:
        worker, thief = await coordinator.worker(slots=6), await coordinator.worker()
        given = await grants(coordinator, worker, 6)
        answers = await asyncio.gather(
            worker.finish(given[0], phases=ALL_PHASES, change=change_of(given[0])),
            worker.finish(given[1], phases=[Phase.PREPARE, Phase.IMPLEMENT], message="a\x00b"),
            worker.finish(given[2], phases=[Phase.IMPLEMENT]),
            worker.finish(given[3], phases=ALL_PHASES[:2], fence=given[3].fence + 1),
            thief.finish(given[4], phases=ALL_PHASES[:2]),
            worker.finish(given[5], reason="no_change"),
        )
        assert [answer.status_code for answer in answers] == [200, 200, 409, 409, 409, 200]
        tasks = [await coordinator.get(f"/tasks/{grant.task.id}") for grant in given]
        states = ["completed", "completed", "running", "running", "running", "failed"]
        assert [task["state"] for task in tasks] == states
        assert tasks[0]["change_id"]
        assert tasks[1]["message"] == "a\ufffdb"


@pytest.mark.attack("leases: double completion")
async def test_the_same_finish_twice_at_once_is_one(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    (grant,) = await grants(coordinator, worker, 1)
    wish = {"phases": ALL_PHASES, "change": change_of(grant)}
    answers = await asyncio.gather(*(worker.finish(grant, **wish) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len((await coordinator.get(f"/changes?project_id={grant.project_id}"))["items"]) == 1
    assert (await coordinator.get(f"/tasks/{grant.task.id}"))["tries"] == 1


async def test_a_finish_of_what_is_another_workers_holds_up_nobody(coordinator: RunningCoordinator) -> None:
    """Its project may be locked for long, and the finishes of all the others must not wait behind it."""
    worker, thief = await coordinator.worker(), await coordinator.worker()
    (good,), (foreign,) = await grants(coordinator, worker, 1), await grants(coordinator, worker, 1)
    async with coordinator.served.services.database.transaction() as connection:
        held = text("SELECT 1 FROM project_queue WHERE project_id = :id FOR UPDATE")
        await connection.execute(held, {"id": foreign.project_id})
        stealing = asyncio.create_task(thief.finish(foreign, phases=ALL_PHASES[:2]))
        waiting = text(
            "SELECT count(*) > 0 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        await eventually(lambda: connection.scalar(waiting))
        async with asyncio.timeout(60):
            assert (await worker.finish(good, phases=ALL_PHASES[:2])).status_code == 200
    assert (await stealing).status_code == 409


async def test_what_waits_for_a_task_goes_on_after_it(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    (grant,) = await grants(coordinator, worker, 1)
    later = await coordinator.task(grant.project_id, depends_on=[grant.task.id])
    await worker.finish(grant, phases=ALL_PHASES, change=change_of(grant))
    assert (await worker.claim(wait=5)).task.id == later["id"]


async def test_one_that_can_not_be_written_costs_no_other(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=100) as coordinator:
        worker = await coordinator.worker(slots=2)
        good, bad = await grants(coordinator, worker, 2)
        with capture_logs():
            answers = await asyncio.gather(
                worker.finish(good, phases=[Phase.PREPARE, Phase.IMPLEMENT]),
                worker.finish(bad, phases=[Phase.PREPARE, Phase.IMPLEMENT], fence=10**30),
            )
        assert [answer.status_code for answer in answers] == [200, 409]
        usage = {"input_tokens": 10**30}
        body = msgspec.json.encode({"fence": bad.fence, "usage": usage})
        refused = await worker.post(f"/executions/{bad.execution_id}/finish", body)
        assert refused.status_code == 422


async def test_who_is_told_of_finishes_and_fails_holds_up_no_answer(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    given = await grants(coordinator, worker, 1)

    def broken(_ended: object) -> None:
        raise LookupError("a bug")

    coordinator.served.services.finishes.on_written = broken
    async with asyncio.timeout(60):
        answer = await worker.finish(given[0], phases=ALL_PHASES, change=change_of(given[0]))
    assert answer.status_code == 200


async def test_the_events_are_those_of_a_single_finish(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    (grant,) = await grants(coordinator, worker, 1)
    await worker.finish(grant, phases=ALL_PHASES, change=change_of(grant))
    events = await coordinator.events(grant.project_id)
    told = [event for event in events if event["task_id"] == grant.task.id][-3:]
    assert [event["kind"] for event in told] == ["change.open", "execution.succeeded", "task.completed"]
    assert told[2]["payload"]["from"] == "running"


async def test_the_same_finish_twice_in_a_group_is_counted_once(coordinator: RunningCoordinator) -> None:
    services, worker = coordinator.served.services, await coordinator.worker()
    (grant,) = await grants(coordinator, worker, 1)
    request = FinishRequest(fence=grant.fence, phases=ALL_PHASES[:2])
    owner = services.owner.tenant_id, worker.id, grant.execution_id
    written = await asyncio.gather(*(services.finishes.write(*owner, request) for _ in range(2)))
    assert [ended is not None for ended in written] == [True, False]
    assert (await coordinator.get(f"/projects/{grant.project_id}"))["running"] == 0


@pytest.mark.parametrize("longer_way", [False, True], ids=["grouped", "alone"])
async def test_a_change_is_on_the_branch_of_its_grant(
    coordinator: RunningCoordinator, *, longer_way: bool
) -> None:
    """Closing it deletes its branch, by whichever worker is next: a worker must not name any other."""
    worker = await coordinator.worker()
    [grant] = await grants(coordinator, worker, 1)
    # What is spent is counted by the longer way.
    usage = Usage(cost_micros=int(longer_way))
    alien = msgspec.structs.replace(change_of(grant), branch="main")
    refused = await worker.finish(grant, phases=ALL_PHASES, change=alien, usage=usage)
    assert (refused.status_code, refused.json()["code"]) == (422, "foreign-branch")
    assert (await coordinator.get("/changes"))["items"] == []
    taken = await worker.finish(grant, phases=ALL_PHASES, change=change_of(grant), usage=usage)
    assert taken.status_code == 200, taken.text
    assert [one["branch"] for one in (await coordinator.get("/changes"))["items"]] == [grant.branch]


def given_by(answer: Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [grant.task.id for grant in msgspec.json.decode(answer.content, type=ClaimAnswer).grants]


async def test_a_finish_may_bring_the_next_task(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker(slots=1)
    project_id = await coordinator.project(max_running=1)
    first, second, third = [(await coordinator.task(project_id))["id"] for _ in range(3)]
    grant = await worker.claim()
    wish = {"phases": ALL_PHASES[:2], "next_request_id": "next"}
    refused = await worker.finish(grant, **wish | {"fence": grant.fence + 1})
    assert refused.json()["code"] == "lost-lease"
    answer = await worker.finish(grant, **wish)
    assert given_by(answer) == [second]
    # Its answer may have got lost: until a heartbeat has named the execution, it is given again.
    assert given_by(await worker.finish(grant, **wish)) == [second]
    (following,) = msgspec.json.decode(answer.content, type=ClaimAnswer).grants
    await worker.beat(following)
    assert given_by(await worker.finish(grant, **wish)) == []
    states = [(await coordinator.get(f"/tasks/{one}"))["state"] for one in (first, second, third)]
    assert states == ["completed", "running", "queued"]
    # As an older worker does, and as one that takes nothing more.
    assert given_by(await worker.finish(following, phases=ALL_PHASES[:2])) == []
    # What is not written in a group leaves the next task to the next claim.
    last = await worker.claim()
    assert last.task.id == third
    assert given_by(await worker.finish(last, reason="no_change", next_request_id="another")) == []


@pytest.mark.parametrize("request_id", ["", "a\x00b", "x" * 201])
async def test_an_id_that_no_claim_may_have_finishes_nothing(
    coordinator: RunningCoordinator, request_id: str
) -> None:
    worker = await coordinator.worker()
    (grant,) = await grants(coordinator, worker, 1)
    refused = await worker.finish(grant, phases=ALL_PHASES[:2], next_request_id=request_id)
    assert refused.status_code == 422, refused.text
    assert (await coordinator.get(f"/tasks/{grant.task.id}"))["state"] == "running"
