"""Several agents on one task, over HTTP: made together, compared, one chosen and the others closed."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from sqlalchemy import text

from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.protocol.worker import (
    ChangeLook,
    CommandResult,
    Diffstat,
    ErrandReport,
    FileChange,
    Grant,
    Receipt,
    Tally,
    Usage,
)
from tests.coordinator import RunningCoordinator, WireWorker, change_of

ADD_TENANT = "INSERT INTO tenants (id, name) VALUES (:tenant, :tenant)"
ADD_MEMBER = "INSERT INTO members (id, tenant_id, name, role) VALUES (:id, :tenant, :id, 'owner')"
FIRST, SECOND = "first program", "second program"


def candidate(command: str) -> dict[str, Any]:
    return {"agent": {"name": "command", "settings": {"command": command}}}


async def compare(
    coordinator: RunningCoordinator, project_id: str, *commands: str, **fields: Any
) -> dict[str, Any]:
    wish = {"title": "Mend it", "candidates": [candidate(one) for one in commands or (FIRST, SECOND)]}
    return await coordinator.post(f"/projects/{project_id}/comparisons", {**wish, **fields})


def receipt_of(grant: Grant, *, passed: bool) -> Receipt:
    tests = Tally(framework="pytest", passed=11 + passed, failed=1 - passed, skipped=1)
    command = CommandResult(
        argv=["pytest"], exit_code=0, seconds=1.0, outcome="passed" if passed else "failed", tests=tests
    )
    commit = change_of(grant).commit
    return Receipt(
        commit=commit, tree="c" * 40, base_commit="a" * 40, commands=[command], passed=passed, seconds=1.0
    )


async def deliver(
    worker: WireWorker,
    grant: Grant,
    *,
    passed: bool = True,
    lines: int = 3,
    usage: Usage | None = None,
    url: str | None = None,
) -> None:
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    file = FileChange(path="a.py", status="modified", additions=lines, deletions=1)
    size = Diffstat(files=[file], additions=lines, deletions=1)
    change = msgspec.structs.replace(change_of(grant), diffstat=size, url=url)
    receipt = receipt_of(grant, passed=passed)
    answer = await worker.finish(grant, change=change, receipt=receipt, usage=usage or Usage())
    assert answer.status_code == 200, answer.text


async def choose(coordinator: RunningCoordinator, made: dict[str, Any], task_id: str) -> httpx.Response:
    return await coordinator.http.post(f"/api/v1/comparisons/{made['id']}/choose", json={"task_id": task_id})


async def shown(coordinator: RunningCoordinator, made: dict[str, Any]) -> dict[str, Any]:
    return await coordinator.get(f"/comparisons/{made['id']}")


async def until_event(coordinator: RunningCoordinator, kind: str) -> dict[str, Any]:
    """The first event of the kind, once it is there."""
    cursor = 0
    async with asyncio.timeout(60):
        while True:
            page = await coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])
            for event in page["items"]:
                if event["kind"] == kind:
                    return event


async def member(coordinator: RunningCoordinator, name: str, tenant: str | None = None) -> httpx.AsyncClient:
    """A client with the token of another member, of a new tenant where one is named."""
    services = coordinator.served.services
    async with services.database.transaction() as connection:
        if tenant is not None:
            await connection.execute(text(ADD_TENANT), {"tenant": tenant})
        tenant_id = tenant or services.owner.tenant_id
        await connection.execute(text(ADD_MEMBER), {"id": name, "tenant": tenant_id})
        issued = await issue(
            connection, CredentialKind.API, tenant_id=tenant_id, member_id=name, seconds=None
        )
    return coordinator.client(issued.secret)


async def errands_of(worker: WireWorker) -> list[tuple[str, str]]:
    return [(one.kind.value, one.branch) for one in (await worker.poll(slots=8)).errands]


async def both_delivered(
    coordinator: RunningCoordinator, **fields: Any
) -> tuple[dict[str, Any], WireWorker, list[Grant]]:
    worker = await coordinator.worker()
    made = await compare(coordinator, await coordinator.project(max_running=2), **fields)
    grants = [await worker.claim(), await worker.claim()]
    for grant in grants:
        await deliver(worker, grant)
    await until_event(coordinator, "comparison.ready")
    return made, worker, grants


async def test_candidates_are_compared_side_by_side(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project(max_running=2, change_rules={"draft": False})
    made = await compare(coordinator, project_id, budget_micros=2_000_000)
    assert (made["state"], made["budget_micros"]) == ("running", 2_000_000)
    grants = [await worker.claim(), await worker.claim()]
    assert [grant.agent.settings["command"] for grant in grants] == [FIRST, SECOND]
    assert len({grant.branch for grant in grants}) == 2
    assert [grant.candidates for grant in grants] == [2, 2]
    usage = Usage(input_tokens=1000, output_tokens=20, cost_micros=30_000)
    await deliver(worker, grants[0], usage=usage, lines=7)
    assert (await shown(coordinator, made))["state"] == "running"
    await worker.finish(grants[1], reason="agent_failed", message="It gave up.")
    event = await until_event(coordinator, "comparison.ready")
    assert event["payload"]["delivered"] == [made["candidates"][0]["task_id"]]
    found = await shown(coordinator, made)
    assert found["state"] == "ready"
    good, bad = found["candidates"]
    assert good["agent"]["settings"] == {"command": FIRST}
    assert (good["verified"], good["tests"]) == (True, {"passed": 12, "failed": 0, "skipped": 1})
    assert (good["files"], good["additions"], good["deletions"]) == (1, 7, 1)
    assert (good["input_tokens"], good["output_tokens"], good["cost_micros"]) == (1000, 20, 30_000)
    assert (good["delivered"], good["change_state"], good["tries"]) == (True, "open", 1)
    assert good["seconds"] > 0
    assert (bad["state"], bad["reason"], bad["delivered"]) == ("failed", "agent_failed", False)
    assert (bad["verified"], bad["tests"], bad["url"]) == (None, None, None)


async def test_one_is_chosen_and_the_others_are_closed(coordinator: RunningCoordinator) -> None:
    made, worker, grants = await both_delivered(coordinator)
    first, second = (one["task_id"] for one in made["candidates"])
    change = (await shown(coordinator, made))["candidates"][0]["change_id"]
    early = await coordinator.http.post(f"/api/v1/changes/{change}/merge")
    assert (early.status_code, early.json()["code"]) == (409, "not-chosen")
    review = await coordinator.http.post(f"/api/v1/changes/{change}/respond", json={"text": "More."})
    assert (review.status_code, review.json()["code"]) == (409, "not-chosen")
    there = await coordinator.get(f"/changes/{change}")
    assert (there["comparison_id"], there["undecided"]) == (made["id"], True)
    answer = await choose(coordinator, made, first)
    assert answer.status_code == 200, answer.text
    assert (await coordinator.get(f"/changes/{change}"))["undecided"] is False
    chosen = answer.json()
    assert (chosen["state"], chosen["chosen_task_id"], chosen["decided_how"]) == ("chosen", first, "person")
    assert [one["chosen"] for one in chosen["candidates"]] == [True, False]
    [given] = (await worker.poll(slots=8)).errands
    assert (given.kind, given.branch) == (ErrandKind.CLOSE, grants[1].branch)
    assert (await choose(coordinator, made, first)).status_code == 200
    assert await errands_of(worker) == []
    failed = ErrandReport(fence=given.fence, done=False, message="The forge is away.")
    assert (await worker.post(f"/errands/{given.id}", failed)).status_code == 200
    repeated = (await choose(coordinator, made, first)).json()
    assert repeated["candidates"][1]["errand"]["state"] == "requested"
    assert await errands_of(worker) == [("close", grants[1].branch)]
    await coordinator.post(f"/changes/{change}/merge", status=202)
    assert await errands_of(worker) == [("merge", grants[0].branch)]
    kinds = [event["kind"] for event in await coordinator.events(made["project_id"])]
    assert [kind for kind in kinds if kind.startswith("comparison.")] == [
        *("comparison.created", "comparison.ready", "comparison.chosen")
    ]
    audit = await coordinator.get(f"/audit?target={made['id']}")
    assert "POST /api/v1/comparisons/{comparison_id}/choose" in {one["action"] for one in audit["items"]}
    again = await coordinator.http.post(f"/api/v1/tasks/{second}/retry")
    assert again.status_code == 409


async def test_of_two_people_at_once_one_wins(coordinator: RunningCoordinator) -> None:
    made, _, _ = await both_delivered(coordinator)
    path, people = f"/api/v1/comparisons/{made['id']}/choose", ("Ann", "Bo")
    clients = [await member(coordinator, name) for name in people]
    wishes = [{"task_id": one["task_id"]} for one in made["candidates"]]
    answers = await asyncio.gather(
        *(client.post(path, json=wish) for client, wish in zip(clients, wishes, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner = next(name for name, answer in zip(people, answers, strict=True) if answer.status_code == 200)
    lost = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (lost["code"], lost["details"]["decided_by"]) == ("comparison-decided", winner)
    assert f"{winner} chose task #" in lost["detail"]
    assert (await shown(coordinator, made))["decided_by_name"] == winner
    late = await coordinator.http.post(f"/api/v1/comparisons/{made['id']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "comparison-decided")


async def test_another_tenant_sees_and_chooses_nothing(coordinator: RunningCoordinator) -> None:
    made, _, _ = await both_delivered(coordinator)
    stranger = await member(coordinator, "Eve", tenant="ten_other")
    path, choice = f"/api/v1/comparisons/{made['id']}", {"task_id": made["candidates"][0]["task_id"]}
    wish = {"title": "x", "candidates": [candidate(FIRST)] * 2}
    answers = [
        await stranger.get(path),
        await stranger.post(f"{path}/choose", json=choice),
        await stranger.post(f"{path}/cancel"),
        await stranger.post(f"/api/v1/projects/{made['project_id']}/comparisons", json=wish),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await stranger.get("/api/v1/comparisons")).json()["items"] == []
    assert (await shown(coordinator, made))["state"] == "ready"


async def test_who_merges_on_the_forge_has_chosen(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker(protocol=3)
    made = await compare(coordinator, await coordinator.project(max_running=2))
    grants = [await worker.claim(), await worker.claim()]
    await deliver(worker, grants[0], url="https://forge.test/a/b/pull/1")
    await deliver(worker, grants[1])
    [look] = (await worker.poll(wait=10)).errands
    merged = ChangeLook(state=ChangeState.MERGED, commit="b" * 40, merged_commit="c" * 40)
    report = ErrandReport(fence=look.fence, done=True, look=merged)
    assert (await worker.post(f"/errands/{look.id}", report)).status_code == 200
    found = await shown(coordinator, made)
    assert (found["state"], found["decided_how"]) == ("chosen", "merge")
    assert found["chosen_task_id"] == made["candidates"][0]["task_id"]
    assert await errands_of(worker) == [("close", grants[1].branch)]


async def test_the_others_are_stopped_where_they_still_run(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project(max_running=3)
    made = await compare(coordinator, project_id, FIRST, SECOND, FIRST, SECOND)
    first, stopped, late, queued = (one["task_id"] for one in made["candidates"])
    grants = [await worker.claim() for _ in range(3)]
    await deliver(worker, grants[0])
    assert (await choose(coordinator, made, first)).status_code == 200
    assert (await coordinator.get(f"/tasks/{queued}"))["state"] == "cancelled"
    assert (await coordinator.get(f"/tasks/{stopped}"))["state"] == "running"
    assert set((await worker.beat()).cancel) == {grant.execution_id for grant in grants[1:]}
    await worker.finish(grants[1], reason="cancelled", salvage_ref="refs/pullyard/salvage/x")
    ended = await coordinator.until_task(stopped, "cancelled")
    execution = await coordinator.get(f"/executions/{ended['execution_id']}")
    assert execution["salvage_ref"] == "refs/pullyard/salvage/x"
    # It was through before it heard of its end.
    await deliver(worker, grants[2])
    assert (await coordinator.until_task(late, "completed"))["change_id"]
    await until_event(coordinator, "change.close-requested")
    assert await errands_of(worker) == [("close", grants[2].branch)]


async def test_what_can_not_be_chosen(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    made = await compare(coordinator, await coordinator.project(max_running=2))
    first, second = (one["task_id"] for one in made["candidates"])
    other = await coordinator.task(made["project_id"])
    for task_id, status, code in (
        (first, 409, "not-delivered"),
        (other["id"], 422, "no-candidate"),
        ("task_x", 422, "no-candidate"),
    ):
        answer = await choose(coordinator, made, task_id)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    grants = [await worker.claim(), await worker.claim()]
    await worker.walk(grants[0], "prepare", "implement")
    assert (await worker.finish(grants[0], message="Nothing to do.")).status_code == 200
    await worker.finish(grants[1], reason="agent_failed", message="It gave up.")
    await until_event(coordinator, "comparison.failed")
    assert (await shown(coordinator, made))["state"] == "failed"
    assert (await choose(coordinator, made, first)).json()["code"] == "not-delivered"
    await coordinator.post(f"/tasks/{second}/retry", status=200)
    assert (await shown(coordinator, made))["state"] == "running"


async def test_all_are_cancelled_together(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    made = await compare(coordinator, await coordinator.project(max_running=1))
    waits = await coordinator.task(made["project_id"], depends_on=[made["candidates"][1]["task_id"]])
    grant = await worker.claim()
    await deliver(worker, grant)
    cancelled = await coordinator.post(f"/comparisons/{made['id']}/cancel", status=200)
    assert (cancelled["state"], cancelled["chosen_task_id"]) == ("cancelled", None)
    assert [one["state"] for one in cancelled["candidates"]] == ["completed", "cancelled"]
    assert await errands_of(worker) == [("close", grant.branch)]
    assert (await coordinator.get(f"/tasks/{waits['id']}"))["state"] == "failed"
    await coordinator.post(f"/comparisons/{made['id']}/cancel", status=200)
    answer = await choose(coordinator, made, made["candidates"][0]["task_id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "comparison-decided")


async def test_what_depends_on_a_candidate_waits_for_the_choice(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    made = await compare(coordinator, await coordinator.project(max_running=2))
    first, second = (one["task_id"] for one in made["candidates"])
    waits = await coordinator.task(made["project_id"], depends_on=[second])
    grants = [await worker.claim(), await worker.claim()]
    await deliver(worker, grants[0])
    await worker.finish(grants[1], reason="agent_failed", message="It gave up.")
    await until_event(coordinator, "comparison.ready")
    waiting = await coordinator.get(f"/tasks/{waits['id']}")
    assert (waiting["state"], waiting["open_dependencies"]) == ("pending", [second])
    too = await coordinator.task(made["project_id"], depends_on=[first])
    assert too["pending_reason"] == "dependency"
    assert (await choose(coordinator, made, first)).status_code == 200
    for task in (waits, too):
        released = await coordinator.get(f"/tasks/{task['id']}")
        assert (released["state"], released["depends_on"]) == ("queued", [first])
    late = await coordinator.http.post(
        f"/api/v1/projects/{made['project_id']}/tasks", json={"title": "x", "depends_on": [second]}
    )
    assert (late.status_code, late.json()["code"]) == (409, "not-chosen")


@pytest.mark.parametrize("rule", ["first-passing", "cheapest-passing"])
async def test_a_rule_chooses(coordinator: RunningCoordinator, rule: str) -> None:
    worker = await coordinator.worker()
    made = await compare(coordinator, await coordinator.project(max_running=4), *"abcd", choose=rule)
    grants = [await worker.claim() for _ in range(4)]
    dear, cheap = (Usage(input_tokens=10, cost_micros=cost) for cost in (900, 400))
    await deliver(worker, grants[0], passed=False, usage=Usage(input_tokens=10, cost_micros=1))
    await deliver(worker, grants[1], usage=dear)
    if rule == "cheapest-passing":
        assert (await shown(coordinator, made))["state"] == "running"
        await deliver(worker, grants[2], usage=cheap, lines=9)
        await deliver(worker, grants[3], usage=cheap)
    event = await until_event(coordinator, "comparison.chosen")
    wanted = made["candidates"][3 if rule == "cheapest-passing" else 1]["task_id"]
    assert (event["payload"]["chosen_task_id"], event["payload"]["how"]) == (wanted, "rule")
    found = await shown(coordinator, made)
    assert (found["decided_how"], found["decided_by"]) == ("rule", None)
    answer = await choose(coordinator, made, made["candidates"][0]["task_id"])
    assert rule in answer.json()["detail"]


async def test_an_unknown_cost_is_not_the_cheapest(coordinator: RunningCoordinator) -> None:
    made, _, _ = await both_delivered(coordinator, choose="cheapest-passing")
    assert (await shown(coordinator, made))["state"] == "ready"


async def test_a_comparison_is_made_once_for_a_key(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    body = {"title": "Mend it", "candidates": [candidate(FIRST), candidate(FIRST)]}
    key = {"idempotency-key": uuid4().hex}
    path = f"/api/v1/projects/{project_id}/comparisons"
    answers = [await coordinator.http.post(path, json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["location"] == f"/api/v1/comparisons/{answers[0].json()['id']}"
    tasks = (await coordinator.get(f"/tasks?project_id={project_id}"))["items"]
    assert len(tasks) == 2
    assert {task["comparison_id"] for task in tasks} == {answers[0].json()["id"]}
    other = await coordinator.http.post(path, json={**body, "title": "Other"}, headers=key)
    assert other.status_code == 422


WRONG: list[dict[str, Any]] = [
    {"candidates": [candidate(FIRST)]},
    {"candidates": [candidate(FIRST)] * 9},
    {"candidates": [{"agent": {"name": "nobody"}}, candidate(FIRST)]},
    {"candidates": [{}, candidate(FIRST)]},
    {"candidates": [{**candidate(FIRST), "model": 1}] * 2},
    {"agent": {"name": "command"}},
    {"choose": "dice"},
    {"workflow": "review-response"},
    {"title": "a\x00b"},
    {"depends_on": ["task_x"]},
    {"draft": True},
]


async def test_nothing_is_made_of_a_wrong_wish(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    for wrong in WRONG:
        body = {"title": "Mend it", "candidates": [candidate(FIRST), candidate(SECOND)], **wrong}
        answer = await coordinator.http.post(f"/api/v1/projects/{project_id}/comparisons", json=body)
        assert answer.status_code == 422, (wrong, answer.text)
    assert (await coordinator.get(f"/tasks?project_id={project_id}"))["items"] == []
    assert (await coordinator.get(f"/comparisons?project_id={project_id}"))["items"] == []


async def test_candidates_that_aim_at_the_same_files_do_not_wait_for_each_other(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project(max_running=2, change_rules={"overlap": "queue"})
    made = await compare(coordinator, project_id, target_files=["a.py"])
    assert [one["pending_reason"] for one in made["candidates"]] == [None, None]
    await deliver(worker, await worker.claim())
    assert (await worker.claim()).task.id == made["candidates"][1]["task_id"]


async def test_candidates_stay_comparable(coordinator: RunningCoordinator) -> None:
    made = await compare(coordinator, await coordinator.project())
    path = f"/api/v1/tasks/{made['candidates'][0]['task_id']}"
    text = await coordinator.http.patch(path, json={"description": "Do more."})
    assert (text.status_code, text.json()["code"]) == (409, "compared")
    assert (await coordinator.http.patch(path, json={"priority": 7})).status_code == 200
    await coordinator.post(f"/projects/{made['project_id']}/automation/pause", status=200)
    reasons = [one["pending_reason"] for one in (await shown(coordinator, made))["candidates"]]
    assert reasons == ["automation", "automation"]
    removed = await coordinator.http.delete(path)
    assert (removed.status_code, removed.json()["code"]) == (409, "task-needed")


async def test_comparisons_are_listed_in_pages(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    made = [(await compare(coordinator, project_id))["id"] for _ in range(3)]
    page = await coordinator.get(f"/comparisons?project_id={project_id}&limit=2")
    rest = await coordinator.get(f"/comparisons?project_id={project_id}&limit=2&cursor={page['next']}")
    assert [one["id"] for one in (*page["items"], *rest["items"])] == made[::-1]
    assert rest["next"] is None
    assert [len(one["candidates"]) for one in page["items"]] == [2, 2]
