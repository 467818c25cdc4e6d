"""Webhooks are open to the whole world: what is not signed does nothing, what is signed once does it once."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pullyard.coordinator.boundary import WEBHOOK_BODY_BYTES
from pullyard.coordinator.webhooks.failures import FAILURES
from pullyard.lifecycle.ids import Kind, new_id
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.forges.deliveries import FORGES, hexed
from tests.postgres import database_url, postgres_server
from tests.webhooks import Hooked, hooked

__all__ = ["database_url", "postgres_server"]

every_forge = pytest.mark.parametrize("kind", list(FORGES))
forgery = pytest.mark.attack("webhooks: forgery")
replay = pytest.mark.attack("webhooks: replay")


async def is_untouched(there: Hooked) -> bool:
    return not await there.tasks() and not await there.deliveries()


@forgery
@every_forge
async def test_nothing_follows_from_what_is_not_signed(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind)
    # Another webhook of the same forge, as another project or tenant has it.
    other = await hooked(coordinator, kind)
    body, headers = there.forge.sign(there.hook["secret"], *there.forge.labelled())
    [name] = there.forge.signature("", b"")
    half = headers[name][: len(headers[name]) // 2]
    forged = [
        {**headers, **there.forge.signature(other.hook["secret"], body)},
        {**headers, **there.forge.signature("", body)},
        {**headers, name: ""},
        {**headers, name: half},
        {**headers, name: headers[name].swapcase() + "é"},
        {key: value for key, value in headers.items() if key != name},
        {**headers, name: "", "authorization": f"Bearer {coordinator.token}"},
    ]
    answers = [await there.post(body, one) for one in forged]
    nobody = Hooked(coordinator, there.forge, there.project_id, {**there.hook, "url": "/hook_" + "0" * 26})
    answers.append(await nobody.post(body, headers))
    if kind != "gitlab":
        answers.append(await there.post(body.replace(b"rror", b"RROR"), headers))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert await is_untouched(there)
    [listed] = (await coordinator.get(f"/projects/{there.project_id}/webhooks"))["items"]
    assert listed["refused"] >= 1
    # And signed it is believed, so that it was the signature alone.
    assert (await there.post(body, headers)).json()["verdict"] == "task"


@forgery
async def test_a_weaker_signature_does_not_do(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    body, headers = there.forge.sign("wrong", *there.forge.labelled())
    digits = hexed(there.hook["secret"], body)
    for name in ("x-hub-signature", "x-gitea-signature", "x-gitlab-token"):
        assert (await there.post(body, {**headers, name: digits})).status_code == 401
    assert await is_untouched(there)


@forgery
async def test_a_removed_webhook_was_never_there(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    path = f"/api/v1/projects/{there.project_id}/webhooks/{there.hook['id']}"
    assert (await coordinator.http.delete(path)).status_code == 204
    assert (await there.send(*there.forge.labelled())).status_code == 401


@forgery
async def test_a_webhook_may_be_removed_while_its_body_is_read(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    body, headers = there.forge.sign(there.hook["secret"], *there.forge.labelled())
    path = f"/api/v1/projects/{there.project_id}/webhooks/{there.hook['id']}"

    async def slow() -> AsyncIterator[bytes]:
        yield body[:10]
        assert (await coordinator.http.delete(path)).status_code == 204
        yield body[10:]

    address = "/webhooks/v1/" + there.hook["id"]
    answer = await coordinator.client().post(address, content=slow(), headers=headers)
    assert (answer.status_code, await there.tasks()) == (401, [])


@forgery
@every_forge
async def test_an_event_of_another_repository_is_refused(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind)
    for foreign in ("evil/shop", "codertocat/hello-world.evil"):
        event, payload = copy.deepcopy(there.forge.labelled())
        place = payload.get("project") or payload["repository"]
        for name in [key for key, value in place.items() if isinstance(value, str)]:
            place[name] = f"https://forge.test/{foreign}" if "url" in name else foreign
        place.pop("links", None)
        assert (await there.send(event, payload)).status_code == 422
    assert await there.tasks() == []
    assert {one["verdict"] for one in await there.deliveries()} == {"refused"}


@forgery
async def test_guessing_is_bounded(coordinator: RunningCoordinator) -> None:
    there, other = await hooked(coordinator), await hooked(coordinator)
    answers = [await there.post(b"{}", {"x-hub-signature-256": uuid4().hex}) for _ in range(FAILURES + 1)]
    assert [answer.status_code for answer in answers] == [401] * FAILURES + [429]
    assert (await other.verdict(*other.forge.labelled()))["verdict"] == "task"
    [listed] = (await coordinator.get(f"/projects/{there.project_id}/webhooks"))["items"]
    assert listed["refused"] == 1


@forgery
async def test_guessing_of_addresses_is_bounded(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)

    async def guess() -> int:
        made_up = {**there.hook, "url": f"/{new_id(Kind.WEBHOOK)}"}
        return (await Hooked(coordinator, there.forge, there.project_id, made_up).post(b"{}", {})).status_code

    assert [await guess() for _ in range(FAILURES + 1)] == [401] * FAILURES + [429]
    # Without its signature a real one is answered as the others are; with it nobody has shut its door.
    assert (await there.post(b"{}", {})).status_code == 429
    assert (await there.verdict(*there.forge.labelled()))["verdict"] == "task"


@forgery
async def test_what_can_be_no_address_of_a_webhook_is_not_read(coordinator: RunningCoordinator) -> None:
    for path in ("hook_1", "hook_" + "u" * 26, "task_" + "0" * 26, "hook_%00" + "0" * 25):
        host, port = coordinator.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /webhooks/v1/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5000000\r\n\r\n"
        writer.write(head.encode())
        # Of the body nothing is ever sent.
        assert b" 401 " in await asyncio.wait_for(reader.readline(), 60)
        writer.close()


@forgery
async def test_a_body_has_a_bound(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    answer = await there.send("issues", b'"' + b"x" * WEBHOOK_BODY_BYTES + b'"')
    assert answer.status_code == 413


@replay
@every_forge
async def test_a_captured_delivery_has_its_effect_once(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind, respond_to_reviews=False)
    _, change = await there.with_change()
    comment = there.forge.commented("/pullyard rename it", change=True)
    first = await there.verdict(*comment)
    # The next response would be made now, were it another one.
    await coordinator.post(f"/tasks/{first['task_id']}/cancel", status=200)
    # The ids of a delivery are not signed, so they may be anything.
    ids = (
        "x-github-delivery",
        "x-gitea-delivery",
        "x-gitlab-event-uuid",
        "x-request-uuid",
        "idempotency-key",
    )
    for _ in range(3):
        again = await there.verdict(*comment, **dict.fromkeys(ids, uuid4().hex))
        assert (again["task_id"], again["change_id"]) == (first["task_id"], change["id"])
    assert len(await there.tasks()) == 2


@replay
async def test_a_captured_delivery_is_too_old_once_it_is_forgotten(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    at = datetime.now(UTC) - timedelta(days=6, hours=23, minutes=59)
    comment = there.forge.commented("/pullyard do it", at=at.isoformat())
    made = await there.verdict(*comment)
    database = coordinator.served.services.database
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM webhook_deliveries"))
    # An issue has its task for ever, and of a change's comment the age is signed with it.
    assert (await there.verdict(*comment))["task_id"] == made["task_id"]
    old = there.forge.commented("/pullyard do it", at=(at - timedelta(minutes=2)).isoformat())
    assert (await there.verdict(*old))["verdict"] == "ignored"
    timeless = there.forge.commented("/pullyard do it", at="tomorrow")
    assert (await there.verdict(*timeless))["verdict"] == "ignored"


@replay
async def test_two_replicas_at_once_answer_a_comment_once(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(running_coordinator(database_url)) for _ in range(2)]
        there = await hooked(replicas[0], respond_to_reviews=False)
        await there.with_change()
        comment = there.forge.commented("/pullyard rename it", change=True)
        sent = [there.send(*comment, to=replica) for _ in range(4) for replica in replicas]
        answers = [answer.json() for answer in await asyncio.gather(*sent)]
        assert {one["verdict"] for one in answers} == {"response"}
        assert len({one["task_id"] for one in answers}) == 1
        assert len(await there.tasks()) == 2


@every_forge
async def test_what_pullyard_does_itself_starts_nothing(coordinator: RunningCoordinator, kind: str) -> None:
    there = await hooked(coordinator, kind, respond_to_reviews=False)
    _, change = await there.with_change()
    for said in (
        "Pullyard could not answer this. Comment `/pullyard` with what to do.",
        "> /pullyard rename it\n\nDone.",
        "```\n/pullyard rename it\n```",
    ):
        answer = await there.verdict(*there.forge.commented(said, change=True))
        assert answer["verdict"] == "look"
    for event in there.forge.touching(change["branch"], change["commit"]).values():
        assert (await there.verdict(*event))["verdict"] in ("look", "ignored")
    assert len(await there.tasks()) == 1


async def test_hostile_words_stay_words(coordinator: RunningCoordinator) -> None:
    there = await hooked(coordinator)
    title = "\u202eevil\x00 \x1b[31m" + "x" * 5000 + "\nsecond"
    body = "\x00\x1b]0;title\x07 \u2066" + "y" * 300_000
    await there.verdict(*there.forge.labelled(title=title, body=body))
    [task] = await there.tasks()
    assert len(task["title"]) <= 300
    assert len(task["description"]) <= 100_000
    shown = task["title"] + task["description"]
    assert not [one for one in shown if one not in "\n\t" and not one.isprintable()]
    await there.verdict(*there.forge.labelled(6, title=" \n"))
    assert "Issue 6" in [task["title"] for task in await there.tasks()]
    for url in (
        "javascript:alert(1)",
        "https://user@host/a/issues/1",
        "https://host/a b/issues/1",
        "",
        "https://[",
    ):
        answer = await there.verdict(*there.forge.labelled(7, html_url=url))
        assert (answer["verdict"], "address" in answer["why"]) == ("ignored", True)


@pytest.fixture
async def all_forges(coordinator: RunningCoordinator) -> list[Hooked]:
    return [await hooked(coordinator, kind) for kind in FORGES]


def mutated(payload: Any, path: list[int], value: Any) -> Any:
    """With ``value`` where the path leads; a number chooses among what is there."""
    if not path or not isinstance(payload, dict | list) or not payload:
        return value
    keys: list[Any] = list(payload) if isinstance(payload, dict) else list(range(len(payload)))
    key = keys[path[0] % len(keys)]
    copied = dict(payload) if isinstance(payload, dict) else list(payload)
    copied[key] = mutated(payload[key], path[1:], value)
    return copied


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.just({}),
    st.just([[]]),
    st.just({"login": 1, "href": None, "name": [], "raw": 2}),
)


async def test_whatever_is_signed_is_never_a_fault(all_forges: list[Hooked]) -> None:
    """Bytes of all kinds, and payloads in which something else stands where a forge would have put a text."""
    loop = asyncio.get_running_loop()

    async def send(there: Hooked, event: str, body: bytes) -> httpx.Response:
        return await there.send(event, body)

    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        there = data.draw(st.sampled_from(all_forges))
        labelled = there.forge.labelled()
        comment = there.forge.commented("/pullyard x", change=data.draw(st.booleans()))
        known = [labelled, comment, *there.forge.touching("b", "c" * 40).values()]
        event, payload = data.draw(st.sampled_from(known))
        path = data.draw(st.lists(st.integers(0, 50), max_size=4))
        broken = json.dumps(mutated(payload, path, data.draw(VALUES))).encode()
        body = data.draw(st.one_of(st.just(broken), st.binary(max_size=200)))
        answer = asyncio.run_coroutine_threadsafe(send(there, event, body), loop).result(30)
        assert answer.status_code in (200, 400, 422), (body, answer.text)

    await asyncio.to_thread(fuzz)
    deep = b"[" * 100_000
    for there in all_forges:
        for body in (
            b"",
            b"null",
            b"payload=",
            b"payload=%ff",
            b"payload=" + deep,
            deep,
            b'"\\ud800"',
            b"\xff",
        ):
            assert (await there.send("issues", body)).status_code in (200, 400), body[:20]
