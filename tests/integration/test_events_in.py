"""Events in: every envelope, one task however often delivered, and what matched is said."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import text

from tests.coordinator import RunningCoordinator, running_coordinator
from tests.eventually import eventually
from tests.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LABELLED = {
    "action": "labelled",
    "issue": {
        "number": 7,
        "title": "Login {data.secret} fails",
        "labels": [{"name": "bug"}, {"name": "agent"}],
    },
    "secret": "s3cret",
}


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"delivery-{number}",
        "source": "https://github.com/acme/shop",
        "type": "com.github.issues.labelled",
        "data": LABELLED,
        **fields,
    }


async def rule(coordinator: RunningCoordinator, project_id: str, **fields: Any) -> dict[str, Any]:
    wish = {
        "name": "labelled",
        "type_pattern": "com.github.issues.*",
        "conditions": [
            {"path": "data.action", "value": "labelled"},
            {"path": "data.issue.labels.*.name", "value": "agent"},
        ],
        "task": {
            "title": "#{data.issue.number}: {data.issue.title}",
            "labels": ["{data.issue.labels.1.name}"],
        },
        **fields,
    }
    return await coordinator.post(f"/projects/{project_id}/event-rules", wish)


async def send(coordinator: RunningCoordinator, content: Any, kind: str = STRUCTURED) -> httpx.Response:
    return await coordinator.http.post(
        "/api/v1/events", content=json.dumps(content), headers={"content-type": kind}
    )


async def tasks(coordinator: RunningCoordinator) -> list[dict[str, Any]]:
    return (await coordinator.get("/tasks?limit=200"))["items"]


async def nothing_is_kept(coordinator: RunningCoordinator) -> bool:
    return not (await coordinator.get("/received-events"))["items"]


async def test_an_event_becomes_a_task_and_its_words_are_never_read_as_places(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project()
    made = await rule(coordinator, project_id)
    answer = await send(coordinator, event())
    assert answer.status_code == 201, answer.text
    (received,) = answer.json()["events"]
    (task,) = await tasks(coordinator)
    assert answer.json()["task_ids"] == [task["id"]]
    assert received["outcomes"] == [
        {
            "rule_id": made["id"],
            "rule": "labelled",
            "project_id": project_id,
            "task_id": task["id"],
            "why": "",
        }
    ]
    assert (task["title"], task["labels"]) == ("#7: Login {data.secret} fails", ["agent"])
    assert (received["matched"], received["duplicate"]) == (True, False)


@pytest.mark.attack("webhooks: replay")
async def test_an_event_that_is_delivered_twice_makes_one_task(coordinator: RunningCoordinator) -> None:
    await rule(coordinator, await coordinator.project())
    first = await send(coordinator, event())
    again = await send(coordinator, event(data={"other": "content"}))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["events"][0]["duplicate"] is True
    assert again.json()["task_ids"] == first.json()["task_ids"]
    other_source = await send(coordinator, event(source="https://github.com/acme/other"))
    assert other_source.status_code == 201
    assert len(await tasks(coordinator)) == 2


async def test_many_deliveries_at_once_to_two_replicas_make_one_task(database_url: str) -> None:
    async with running_coordinator(database_url) as one, running_coordinator(database_url) as two:
        for name in ("a", "b", "c"):
            await rule(one, await one.project(), name=name)
        numbers = list(range(20))
        calls = [
            send(replica, [event(number) for number in order], BATCH)
            for _ in range(3)
            for replica in (one, two)
            for order in (numbers, numbers[::-1])
        ]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len({tuple(sorted(answer.json()["task_ids"])) for answer in answers}) == 1
        assert len(await tasks(one)) == 20 * 3


async def test_every_envelope_is_read(coordinator: RunningCoordinator) -> None:
    await rule(coordinator, await coordinator.project(), conditions=[], task={"title": "{data.x} {subject}"})
    attributes = {"source": "/s", "type": "com.github.issues.x", "subject": "é ü"}
    structured = to_structured_event(CloudEvent({**attributes, "id": "1"}, {"x": 1}))
    binary = to_binary_event(
        CloudEvent({**attributes, "id": "2", "datacontenttype": "application/json"}, {"x": 2})
    )
    for message in (structured, binary):
        answer = await coordinator.http.post(
            "/api/v1/events", content=message.body, headers=dict(message.headers)
        )
        assert answer.status_code == 201, answer.text
    assert (
        await send(coordinator, [event(3, data={"x": 3}), event(4, data={"x": 4})], BATCH)
    ).status_code == 201
    plain = {"type": "com.github.issues.y", "data": {"x": 5}}
    for _ in range(2):
        assert (await send(coordinator, plain, "application/json; charset=utf-8")).status_code == 201
    found = sorted(task["title"] for task in await tasks(coordinator))
    assert found == ["1 é ü", "2 é ü", "3", "4", "5", "5"]


async def test_a_plain_event_without_an_id_is_one_under_its_key(coordinator: RunningCoordinator) -> None:
    await rule(coordinator, await coordinator.project(), conditions=[])
    plain = {"type": "com.github.issues.y"}
    for _ in range(2):
        headers = {"idempotency-key": "k"}
        await coordinator.http.post("/api/v1/events", json=plain, headers=headers)
    assert len(await tasks(coordinator)) == 1


async def test_binary_data_of_any_kind_is_kept(coordinator: RunningCoordinator) -> None:
    headers = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "/s", "ce-note": "a%20b"}
    for number, (kind, body, data) in enumerate(
        [
            ("text/plain", b"words", "words"),
            ("application/octet-stream", b"\xff\x00", "/wA="),
            ("application/merge-patch+json", b"[1]", [1]),
            ("text/plain", b"a\x00b", "a\ufffdb"),
            ("", b"", None),
        ]
    ):
        sent = {**headers, "ce-id": str(number), **({"content-type": kind} if kind else {})}
        answer = await coordinator.http.post("/api/v1/events", content=body, headers=sent)
        assert answer.status_code == 201, answer.text
        (received,) = answer.json()["events"]
        assert (received["data"], received["attributes"]["note"]) == (data, "a b")


async def test_what_matched_nothing_is_kept_visible_for_a_while(database_url: str) -> None:
    async with running_coordinator(
        database_url, received_event_seconds=3600, drift_seconds=0.1
    ) as coordinator:
        await rule(coordinator, await coordinator.project())
        closed = {"action": "closed", "issue": {}}
        answer = (await send(coordinator, event(data=closed))).json()["events"][0]
        assert answer["matched"] is False
        assert answer["outcomes"][0]["why"] == "data.action is 'closed'; wanted: equals 'labelled'."
        await send(coordinator, event(2, type="unknown"))
        await send(coordinator, event(3))
        unmatched = (await coordinator.get("/received-events?matched=false"))["items"]
        assert [one["event_id"] for one in unmatched] == ["delivery-2", "delivery-1"]
        assert unmatched[0]["outcomes"] == []
        one = await coordinator.get(f"/received-events/{answer['id']}")
        assert one["data"] == closed
        async with coordinator.served.services.database.transaction() as connection:
            await connection.execute(text("UPDATE received_events SET received_at = now() - interval '2 h'"))
        await eventually(lambda: nothing_is_kept(coordinator))


async def test_one_rule_that_fails_leaves_the_others_their_tasks(coordinator: RunningCoordinator) -> None:
    good, bad = await coordinator.project(), await coordinator.project()
    await rule(coordinator, good)
    wrong = [
        {"title": "{data.nothing}"},
        {"title": "x", "labels": ["{data.issue.title}"]},
        {"title": "x", "workflow": "{data.action}"},
        {"title": "x", "priority": "{data.action}"},
        {"title": "x", "priority": "99999"},
    ]
    for number, task in enumerate(wrong):
        await rule(coordinator, bad, name=str(number), task=task)
    received = (await send(coordinator, event())).json()["events"][0]
    outcomes = {one["rule"]: one for one in received["outcomes"]}
    assert outcomes["labelled"]["task_id"]
    for number in range(len(wrong)):
        assert outcomes[str(number)]["task_id"] is None
        assert outcomes[str(number)]["why"]
    assert [task["project_id"] for task in await tasks(coordinator)] == [good]


async def test_a_rule_is_edited_switched_off_and_removed(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    made = await rule(coordinator, project_id)
    path = f"/api/v1/event-rules/{made['id']}"
    tag = {"if-match": (await coordinator.http.get(path)).headers["etag"]}
    assert (await coordinator.http.patch(path, json={"enabled": False}, headers=tag)).status_code == 200
    assert (await coordinator.http.patch(path, json={"enabled": True}, headers=tag)).status_code == 412
    assert (await send(coordinator, event(1))).json()["task_ids"] == []
    new = {"enabled": True, "conditions": [], "source_pattern": "https://*/shop", "task": {"title": "New"}}
    edited = (await coordinator.http.patch(path, json=new)).json()
    assert (edited["type_pattern"], edited["task"]["title"]) == ("com.github.issues.*", "New")
    assert len((await send(coordinator, event(2))).json()["task_ids"]) == 1
    assert (await coordinator.http.patch(path, json={"type_pattern": "com_github%"})).status_code == 200
    assert (await send(coordinator, event(3))).json()["events"][0]["outcomes"] == []
    assert (await coordinator.get(f"/projects/{project_id}/event-rules"))["items"][0]["id"] == made["id"]
    assert (await coordinator.http.delete(path)).status_code == 204
    assert (await coordinator.http.get(path)).status_code == 404


async def test_a_token_for_events_does_nothing_else(coordinator: RunningCoordinator) -> None:
    token = await coordinator.post("/tokens", {"name": "forge", "kind": "events"})
    forge = coordinator.client(token["secret"])
    answer = await forge.post("/api/v1/events", json={"type": "t"})
    assert answer.status_code == 201
    keyed = await forge.post("/api/v1/events", json={"type": "t"}, headers={"idempotency-key": "k"})
    assert keyed.status_code == 201
    for path in ("/events", "/tasks", "/received-events", "/audit", "/session"):
        assert (await forge.get("/api/v1" + path)).status_code == 401
    assert (await forge.post("/api/v1/projects", json={})).status_code == 401
    assert (await forge.post("/worker/v1/enrol", json={})).status_code == 401
    assert [one["kind"] for one in (await coordinator.get("/tokens"))["items"]].count("events") == 1


async def test_another_tenants_rules_see_nothing(coordinator: RunningCoordinator) -> None:
    await rule(coordinator, await coordinator.project(), conditions=[])
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(text("INSERT INTO tenants VALUES ('ten_2', 'two')"))
        await connection.execute(text("UPDATE event_rules SET tenant_id = 'ten_2'"))
    assert (await send(coordinator, event())).json()["events"][0]["outcomes"] == []
    assert await tasks(coordinator) == []


@pytest.mark.parametrize(
    "content",
    [
        event(specversion="0.3"), event(id=""), event(id="x" * 501), event(source=""), event(type=None),
        event(time="yesterday"), event(Upper="x"), event(**{"with-dash": "x"}), event(nested={"a": 1}),
        event(data_base64="eA=="), event(id="a\nb"), event(**{f"e{n}": "x" for n in range(60)}),
        {}, [], None, "x", [event()], 7,
    ],
)  # fmt: skip
async def test_what_is_no_event_is_told_so(coordinator: RunningCoordinator, content: Any) -> None:
    answer = await send(coordinator, content)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert (await coordinator.get("/received-events"))["items"] == []


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (STRUCTURED, b"{", 400), (STRUCTURED, b"\xff", 400), (STRUCTURED, b"", 400),
        (STRUCTURED, b"NaN", 400), (STRUCTURED, b'{"a": NaN}', 400),
        (STRUCTURED, b'"\\ud800"', 400), (STRUCTURED, b"[" * 100_000, 400),
        (STRUCTURED, b"9" * 10_000, 400), ("text/xml", b"<a/>", 415), ("", b"{}", 415), (BATCH, b"{}", 422),
        (BATCH, b"[1]", 422), (BATCH, json.dumps([event(n) for n in range(101)]).encode(), 422),
        (STRUCTURED, b" " * (2**20 + 1), 413),
    ],
)  # fmt: skip
async def test_rubbish_is_answered_with_a_sentence(
    coordinator: RunningCoordinator, kind: str, body: bytes, status: int
) -> None:
    answer = await coordinator.http.post("/api/v1/events", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert len(answer.json()["detail"]) > 10


async def test_an_empty_batch_is_no_fault(coordinator: RunningCoordinator) -> None:
    answer = await send(coordinator, [], BATCH)
    assert (answer.status_code, answer.json()) == (200, {"events": [], "task_ids": []})


async def test_a_batch_with_one_wrong_event_is_refused_as_a_whole(coordinator: RunningCoordinator) -> None:
    await rule(coordinator, await coordinator.project())
    assert (await send(coordinator, [event(1), event(2, id="")], BATCH)).status_code == 422
    assert await tasks(coordinator) == []
    same = await send(coordinator, [event(1), event(1)], BATCH)
    assert [one["duplicate"] for one in same.json()["events"]].count(True) == 1
    assert len(await tasks(coordinator)) == 1


async def test_a_deeply_nested_event_is_taken_or_refused(coordinator: RunningCoordinator) -> None:
    for depth in (50, 150, 190, 250, 2000):
        nested = "[" * depth + "1" + "]" * depth
        body = f'{{"specversion": "1.0", "id": "{depth}", "source": "/", "type": "t", "data": {nested}}}'
        answer = await coordinator.http.post(
            "/api/v1/events", content=body, headers={"content-type": STRUCTURED}
        )
        assert answer.status_code in (201, 400, 422), answer.text


async def test_a_text_that_names_a_long_value_often_is_cut_while_it_is_made(
    coordinator: RunningCoordinator,
) -> None:
    """Made whole and cut afterwards it would take gigabytes, and the other rules' seconds."""
    project_id = await coordinator.project()
    task = {"title": "t", "description": "{data.*}" * 12_000}
    await rule(coordinator, project_id, conditions=[], task=task)
    began = time.process_time()
    answer = await send(coordinator, event(data=["x" * 15_000] * 60))
    assert answer.status_code == 201, answer.text
    # The coordinator is a part of this process.
    assert time.process_time() - began < 5
    made = await coordinator.get(f"/tasks/{answer.json()['task_ids'][0]}")
    assert len(made["description"]) == 100_000


async def test_places_beyond_the_first_two_hundred_stay_as_they_are(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    await rule(coordinator, project_id, conditions=[], task={"title": "t", "description": "{id}." * 201})
    answer = await send(coordinator, event())
    made = await coordinator.get(f"/tasks/{answer.json()['task_ids'][0]}")
    assert made["description"] == "delivery-1." * 200 + "{id}."


async def test_a_condition_with_an_endless_list_is_refused(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    wish = {
        "name": "r",
        "conditions": [{"path": "id", "op": "in", "value": ["x"] * 201}],
        "task": {"title": "t"},
    }
    answer = await coordinator.http.post(f"/api/v1/projects/{project_id}/event-rules", json=wish)
    assert answer.status_code == 422


async def test_a_batch_that_would_make_too_many_tasks_is_refused_whole(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project()
    for number in range(6):
        await rule(coordinator, project_id, name=f"rule {number}", conditions=[])
    events = [event(number) for number in range(84)]
    refused = await send(coordinator, events, BATCH)
    assert (refused.status_code, refused.json()["code"]) == (422, "too-many")
    assert "504 tasks" in refused.json()["detail"]
    assert (await coordinator.get("/received-events"))["items"] == []
    taken = await send(coordinator, events[:2], BATCH)
    assert (taken.status_code, len(taken.json()["task_ids"])) == (201, 12)
