"""Webhooks of every forge: issues become tasks, once; what is about a change makes a worker look at it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from sqlalchemy import text

from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.protocol.errands import IssuesReport
from pullyard.protocol.feedback import Remark, RemarkKind
from pullyard.protocol.versions import PROTOCOL_VERSION
from pullyard.protocol.worker import ChangeLook, ErrandReport
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator
from tests.eventually import eventually
from tests.forges.deliveries import FORGES, example, standard
from tests.postgres import database_url, postgres_server
from tests.webhooks import hooked

__all__ = ["database_url", "postgres_server"]

every_forge = pytest.mark.parametrize("kind", list(FORGES))


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    """Looks at no change by itself within a test, once it has looked at it first."""
    async with running_coordinator(database_url, change_look_seconds=3600) as running:
        yield running


async def look(worker: WireWorker, wait: float = 10) -> Any:
    errands = (await worker.poll(wait=wait)).errands
    assert [one.kind for one in errands] == [ErrandKind.LOOK] * len(errands)
    return errands[0] if errands else None


async def minute_passes(coordinator: RunningCoordinator) -> None:
    earlier = "UPDATE errands SET created_at = created_at - interval '1 minute', "
    earlier += "assigned_at = assigned_at - interval '1 minute'"
    at = "UPDATE changes SET look_at = look_at - interval '1 minute'"
    async with coordinator.served.services.database.transaction() as connection:
        for statement in (earlier, at):
            await connection.execute(text(statement))


async def issues_errand(worker: WireWorker) -> Any:
    [given] = (await worker.poll(wait=10)).errands
    assert given.kind is ErrandKind.READ_ISSUES
    return given


async def seen(worker: WireWorker, given: Any, **more: Any) -> None:
    look = ChangeLook(state=ChangeState.OPEN, commit="b" * 40, **more)
    report = ErrandReport(fence=given.fence, done=True, look=look)
    assert (await worker.post(f"/errands/{given.id}", report)).status_code == 200


@every_forge
async def test_a_labelled_issue_becomes_one_task(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind)
    assert (await there.verdict(*there.forge.labelled(label="bug")))["verdict"] == "ignored"
    made = await there.verdict(*there.forge.labelled(label="PullYard"))
    again = await there.verdict(*there.forge.labelled(label="PullYard"), **{"x-github-delivery": "another"})
    edited = await there.verdict(*there.forge.labelled(title="Another title"))
    assert [one["verdict"] for one in (made, again, edited)] == ["task"] * 3
    [task] = await there.tasks()
    assert {one["task_id"] for one in (made, again, edited)} == {task["id"]}
    assert task["source_url"] == there.forge.issue_url(5)
    assert "Spelling error" in task["title"]
    assert there.forge.issue_url(5) in task["description"]
    kept = await there.deliveries()
    assert [(one["verdict"], one["times"]) for one in kept] == [("task", 1), ("task", 2), ("ignored", 1)]


@every_forge
async def test_who_is_not_trusted_starts_nothing_until_trusted(
    coordinator: RunningCoordinator, kind: str
) -> None:
    there = await hooked(coordinator, kind, trusted=[], trust_members=False)
    for event in (there.forge.labelled(), there.forge.commented("/pullyard please")):
        refused = await there.verdict(*event)
        assert refused["verdict"] == "ignored"
        assert "not trusted" in refused["why"]
    assert await there.tasks() == []
    trusted = {"forge_events": {"trusted": there.forge.trusts or ["codertocat"], "trust_members": False}}
    await coordinator.http.patch(f"/api/v1/projects/{there.project_id}", json=trusted)
    # As the forge's button for another delivery sends it.
    assert (await there.verdict(*there.forge.labelled()))["verdict"] == "task"


@every_forge
async def test_a_comment_with_the_command_makes_a_task_of_its_issue(
    coordinator: RunningCoordinator, kind: str
) -> None:
    there = await hooked(coordinator, kind)
    for said in ("I like /pullyard", "/pullyardish do it"):
        assert (await there.verdict(*there.forge.commented(said)))["verdict"] == "ignored"
    old = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    assert "older" in (await there.verdict(*there.forge.commented("/pullyard", at=old)))["why"]
    await there.verdict(*there.forge.commented("/pullyard keep it short"))
    await there.verdict(*there.forge.labelled())
    [task] = await there.tasks()
    assert "keep it short" in task["description"]
    assert task["source_url"] == there.forge.issue_url(5)


@every_forge
async def test_a_comment_with_the_command_is_answered_where_no_reviews_are(
    coordinator: RunningCoordinator, kind: str
) -> None:
    there = await hooked(coordinator, kind, respond_to_reviews=False)
    comment = there.forge.commented("/pullyard rename it", change=True)
    assert (await there.verdict(*comment))["verdict"] == "ignored"
    _, change = await there.with_change()
    answered = await there.verdict(*comment)
    assert (answered["verdict"], answered["change_id"]) == ("response", change["id"])
    task = await coordinator.get(f"/tasks/{answered['task_id']}")
    assert (task["workflow"], "rename it" in task["description"]) == ("review-response", True)
    # The same words a second time, and other words while it is under way.
    assert (await there.verdict(*comment))["task_id"] == task["id"]
    refused = await there.verdict(*there.forge.commented("/pullyard or not", change=True))
    assert (refused["verdict"], "under way" in refused["why"]) == ("ignored", True)
    assert len(await there.tasks()) == 2


async def test_a_comment_is_answered_by_whoever_hears_it_first(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator, quiet_seconds=0)
    worker, change = await there.with_change()
    await seen(worker, await look(worker))
    event, payload = there.forge.commented("/pullyard rename it", change=True)
    assert (await there.verdict(event, payload))["verdict"] == "look"
    key = f"comment-{payload['comment']['id']}"
    remark = Remark(key=key, kind=RemarkKind.COMMENT, text="rename it", author="Codertocat")
    await seen(worker, await look(worker), asked=change["commit"], remarks=[remark])
    [response, _] = await there.tasks()
    assert "rename it" in response["description"]
    await coordinator.post(f"/tasks/{response['id']}/cancel", status=200)
    # The worker that looked has heard it, and so it is not answered again where nobody looks any more.
    quiet = {"forge_events": {"respond_to_reviews": False}}
    await coordinator.http.patch(f"/api/v1/projects/{there.project_id}", json=quiet)
    edited = {**payload, "installation": {"id": 1}}
    refused = await there.verdict(event, edited)
    assert (refused["verdict"], "already" in refused["why"]) == ("ignored", True)
    assert len(await there.tasks()) == 2


@pytest.mark.parametrize("kind", ["gitlab", "gitea", "bitbucket"])
async def test_a_worker_asks_who_belongs_to_a_repository(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind, trusted=[], poll_issues=True)
    worker = await coordinator.worker(protocol=PROTOCOL_VERSION)
    first = await issues_errand(worker)
    assert (await there.verdict(*there.forge.labelled()))["verdict"] == "look"
    # It is looking just now, and may have missed this one.
    done = ErrandReport(fence=first.fence, done=True, issues=IssuesReport())
    assert (await worker.post(f"/errands/{first.id}", done)).status_code == 200
    assert (await issues_errand(worker)).id != first.id
    assert await there.tasks() == []


@pytest.mark.parametrize("association", ["MEMBER", "COLLABORATOR"])
async def test_who_may_only_read_on_github_starts_nothing(
    coordinator: RunningCoordinator, association: str
) -> None:
    there = await hooked(coordinator)
    labelled = there.forge.labelled(author_association=association)
    event, said = there.forge.commented("/pullyard do it")
    said["comment"]["author_association"] = association
    for sent in (labelled, (event, said)):
        ignored = await there.verdict(*sent)
        assert (ignored["verdict"], "not told" in ignored["why"]) == ("ignored", True)
    polled = {"forge_events": {"poll_issues": True}}
    await coordinator.http.patch(f"/api/v1/projects/{there.project_id}", json=polled)
    assert (await there.verdict(*labelled))["verdict"] == "look"
    assert await there.tasks() == []
    named = {"forge_events": {"trusted": ["codertocat"]}}
    await coordinator.http.patch(f"/api/v1/projects/{there.project_id}", json=named)
    assert (await there.verdict(event, said))["verdict"] == "task"


@every_forge
async def test_what_is_about_our_change_makes_a_worker_look_at_once(
    coordinator: RunningCoordinator, kind: str
) -> None:
    there = await hooked(coordinator, kind)
    worker, change = await there.with_change()
    await seen(worker, await look(worker))
    events = there.forge.touching(change["branch"], change["commit"])
    events["comment"] = there.forge.commented("Why?", change=True)
    for event in events.values():
        assert (await there.verdict(*event))["change_id"] == change["id"]
        given = await look(worker)
        assert given.change_id == change["id"]
        await seen(worker, given)
        await minute_passes(coordinator)
    assert not await look(worker, wait=0)
    # The payload is never believed: GitHub's example says that the change was merged.
    assert (await coordinator.get(f"/changes/{change['id']}"))["state"] == "open"
    elsewhere = there.forge.touching("main", "c" * 40)
    for name in elsewhere.keys() & {"push", "status", "run", "suite", "workflow", "pipeline"}:
        assert (await there.verdict(*elsewhere[name]))["verdict"] == "ignored"


async def test_what_happens_during_a_look_is_looked_at_after_it(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    worker, change = await there.with_change()
    first = await look(worker)
    events = there.forge.touching(change["branch"], change["commit"])
    await there.verdict(*events["suite"])
    assert not await look(worker, wait=0)
    await seen(worker, first)
    await seen(worker, await look(worker))
    assert not await look(worker, wait=0)


async def test_whatever_is_said_a_change_is_looked_at_six_times_a_minute(database_url: str) -> None:
    async with running_coordinator(
        database_url, change_look_seconds=3600, caretaker_seconds=0.05
    ) as coordinator:
        there = await hooked(coordinator)
        worker, _ = await there.with_change()
        for _ in range(6):
            given = await look(worker)
            # Once before it ends, as well.
            said = there.forge.commented(uuid4().hex, change=True)
            assert (await there.verdict(*said))["verdict"] == "look"
            await seen(worker, given)
        assert (await there.verdict(*there.forge.commented("And now?", change=True)))["verdict"] == "look"
        assert not await look(worker, wait=0.5)
        # The last words are not forgotten.
        await minute_passes(coordinator)
        await seen(worker, await look(worker))
        assert not await look(worker, wait=0)


async def test_gitlab_may_sign_instead_of_sending_a_token(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator, "gitlab")
    body, headers = there.forge.sign("", *there.forge.labelled())
    signed = {**headers, **standard(there.hook["secret"], body), "x-gitlab-token": ""}
    assert (await there.post(body, signed)).json()["verdict"] == "task"
    # With a signature the token alone does not do.
    forged = {**signed, "webhook-id": "msg_2", "x-gitlab-token": there.hook["secret"]}
    assert (await there.post(body, forged)).status_code == 401


async def test_github_may_send_a_form(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    event, payload = there.forge.labelled()
    form = urlencode({"payload": json.dumps(payload)}).encode()
    assert (await there.verdict(event, form))["verdict"] == "task"
    assert (await there.verdict("ping", {**example("ping"), "repository": payload["repository"]}))["why"]


@pytest.mark.parametrize("kind", ["gitlab", "bitbucket"])
async def test_who_edits_an_issue_has_not_labelled_it(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind)
    event, payload = there.forge.labelled()
    for changes in ({}, {"title": {"previous": "a", "current": "b"}}):
        assert (await there.verdict(event, {**payload, "changes": changes}))["verdict"] == "ignored"
    assert await there.tasks() == []


async def test_what_is_confidential_becomes_no_task(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator, "gitlab", respond_to_reviews=False)
    await there.with_change()
    event, payload = there.forge.commented("/pullyard do it")
    internal = {**payload["object_attributes"], "internal": True}
    _, remark = there.forge.commented("/pullyard do it", change=True)
    remark["object_attributes"]["internal"] = True
    secrets = (
        there.forge.labelled(confidential=True),
        (event, {**payload, "issue": {**payload["issue"], "confidential": True}}),
        (event, {**payload, "object_attributes": internal}),
        (event, remark),
    )
    for one in secrets:
        assert "confidential" in (await there.verdict(*one))["why"]
    assert len(await there.tasks()) == 1


async def test_deliveries_are_forgotten_in_time(database_url: str) -> None:
    async with running_coordinator(database_url, drift_seconds=0.01, caretaker_seconds=0.05) as coordinator:
        there = await hooked(coordinator)
        await there.verdict(*there.forge.labelled(5))
        old = text("UPDATE webhook_deliveries SET received_at = now() - interval '15 days'")
        async with coordinator.served.services.database.transaction() as connection:
            await connection.execute(old)
        newest = await there.verdict(*there.forge.labelled(6))

        async def is_alone() -> bool:
            return len(await there.deliveries()) == 1

        await eventually(is_alone)
        assert [one["why"] for one in await there.deliveries()] == [newest["why"]]


async def test_two_replicas_at_once_make_one_task(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        here, other = [await stack.enter_async_context(running_coordinator(database_url)) for _ in range(2)]
        there = await hooked(here)
        sent = [
            event
            for number in (5, 6)
            for event in (
                there.forge.labelled(number),
                there.forge.labelled(number),
                there.forge.labelled(number, title="Edited meanwhile"),
            )
        ]
        answers = await asyncio.gather(
            *(there.send(*event, to=replica) for event in sent for replica in (here, other))
        )
        assert {answer.json()["verdict"] for answer in answers} == {"task"}
        assert sorted(task["source_url"][-1] for task in await there.tasks()) == ["5", "6"]


async def test_a_project_may_be_removed_while_a_delivery_comes(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    database = coordinator.served.services.database
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    held = text("SELECT 1 FROM project_queue WHERE project_id = :id FOR UPDATE")

    async def until_waiting(number: int) -> None:
        async def waits() -> bool:
            async with database.transaction() as connection:
                return await connection.scalar(waiting) == number

        await eventually(waits)

    async with asyncio.TaskGroup() as group, database.transaction() as connection:
        await connection.execute(held, {"id": there.project_id})
        removal = group.create_task(coordinator.http.delete(f"/api/v1/projects/{there.project_id}"))
        await until_waiting(1)
        delivery = group.create_task(there.send(*there.forge.labelled()))
        await until_waiting(2)
    assert (removal.result().status_code, delivery.result().status_code) == (204, 401)


async def test_the_forge_of_a_webhook_is_told_or_said(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project(repository="https://git.example.com/a/b.git")
    path = f"/projects/{project_id}/webhooks"
    assert (await coordinator.post(path, {}, status=422))["code"] == "forge-unknown"
    hook = await coordinator.post(path, {"forge": "gitlab"})
    assert hook["url"].startswith(coordinator.url)
    assert hook["secret"]
    [listed] = (await coordinator.get(path))["items"]
    assert (listed["id"], listed["secret"], listed["events"][0]) == (hook["id"], None, "Issues events")
    keyed = await coordinator.http.post("/api/v1" + path, json={}, headers={"idempotency-key": "k"})
    assert keyed.json()["code"] == "idempotency-not-kept"
    local = await coordinator.project()
    refused = await coordinator.post(f"/projects/{local}/webhooks", {"forge": "github"}, status=422)
    assert refused["code"] == "invalid-repository"
