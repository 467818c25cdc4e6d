"""Web Push: a device is told of what its owner wants to know, and nobody else can read it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from structlog.testing import capture_logs

from pullyard.coordinator.push.deliver import AT_ONCE_A_MEMBER
from pullyard.coordinator.push.encryption import read_key, sealed
from pullyard.protocol.web_tokens import decode, encode
from tests.coordinator import RunningCoordinator, coordinator, running_coordinator
from tests.eventually import eventually
from tests.postgres import database_url, postgres_server
from tests.push_service import Device, PushService, can_open, push_service
from tests.web_scene import asks, enrol

__all__ = ["coordinator", "database_url", "postgres_server"]


@dataclass
class Scene:
    coordinator: RunningCoordinator
    service: PushService
    device: Device

    async def add(self, device: Device | None = None, **fields: Any) -> dict[str, Any]:
        answer = await self.coordinator.http.put(
            "/api/v1/push/devices", json=(device or self.device).wish(**fields)
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def devices(self) -> list[dict[str, Any]]:
        return (await self.coordinator.get("/push"))["devices"]

    async def problem(self) -> str:
        return (await self.devices())[0]["problem"]

    async def is_alone(self) -> bool:
        return not await self.devices()

    async def question(self) -> None:
        project = await self.coordinator.project()
        await asks(self.coordinator, await enrol(self.coordinator, "build-07"), project)


async def rows_of(table: str, url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def change(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def give_to_another_member(device_id: str, url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "WITH other AS (INSERT INTO members (id, tenant_id, name, role) "
            "SELECT 'mem_2', tenant_id, 'two', 'member' FROM push_devices WHERE id = $1 RETURNING id) "
            "UPDATE push_devices SET member_id = other.id FROM other WHERE push_devices.id = $1",
            device_id,
        )
    finally:
        await connection.close()


@pytest.fixture
async def scene(database_url: str) -> AsyncIterator[Scene]:
    async with (
        push_service() as service,
        running_coordinator(
            database_url, push_allow_private=(service.place,), public_url="http://pullyard.lan:8080"
        ) as running,
    ):
        yield Scene(running, service, Device(f"{service.url}/send/one"))


def test_a_message_is_what_the_standard_has_for_it() -> None:
    """RFC 8291, appendix A."""
    mine = read_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    theirs = read_key("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94").public_key()
    sealed_ = sealed(
        b"When I grow up, I want to be a watermelon",
        theirs,
        decode("BTBZMqHH6r4Tts7J_aSIgg"),
        mine,
        decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert encode(sealed_) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
        "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


async def test_a_device_is_told_by_a_message_that_only_it_can_read(scene: Scene) -> None:
    await scene.add()
    await scene.question()
    headers, body = await scene.service.next()
    assert headers["content-encoding"] == "aes128gcm"
    assert b"lock" not in body
    told = scene.device.open(body)
    assert (told["kind"], told["title"]) == ("execution.waiting_input", "Postgres advisory lock leaks")
    assert told["payload"]["question"].startswith("May the migration take a lock")
    token, key = headers["authorization"].removeprefix("vapid t=").split(", k=")
    assert key == (await scene.coordinator.get("/push"))["public_key"]
    signed, _, signature = token.rpartition(".")
    raw = decode(signature)
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(key)).verify(
        encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
        signed.encode(),
        ec.ECDSA(SHA256()),
    )
    claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    assert claims["aud"] == scene.service.url
    # What is told to be reached by plain HTTP is no contact that every push service takes.
    assert claims["sub"].startswith("mailto:")


async def test_only_what_is_wanted_is_told(scene: Scene) -> None:
    await scene.add(events=["change.open"])
    other = Device(f"{scene.service.url}/send/other")
    await scene.add(other)
    await scene.question()
    _, body = await scene.service.next()
    assert other.open(body)["kind"] == "execution.waiting_input"
    # Had the first device been told too, its message would be among these.
    await scene.add()
    await scene.question()
    bodies = [(await scene.service.next())[1] for _ in range(2)]
    assert sorted(can_open(other, one) for one in bodies) == [False, True]
    assert scene.service.came.empty()


async def test_a_device_that_is_gone_is_forgotten(scene: Scene) -> None:
    await scene.add()
    scene.service.answers = [410]
    await scene.question()
    await scene.service.next()
    assert await eventually(scene.is_alone)


@pytest.mark.parametrize("status", [403, 503])
async def test_a_failure_is_shown(scene: Scene, status: int) -> None:
    await scene.add()
    scene.service.answers = [status]
    await scene.question()
    await scene.service.next()
    assert await eventually(scene.problem) == f"Its push service answered {status}."


async def test_keys_that_are_none_end_a_message(scene: Scene, database_url: str) -> None:
    await scene.add()
    await change(database_url, "UPDATE push_devices SET p256dh = 'none'")
    await scene.question()
    assert await eventually(scene.problem) == "Its keys are none of a browser's."
    assert await rows_of("push_deliveries", database_url) == 0


async def test_a_statement_at_fault_is_told_as_a_bug(scene: Scene, database_url: str) -> None:
    await scene.add()
    await change(database_url, "ALTER TABLE push_devices RENAME delivered_at TO gone")
    with capture_logs() as lines:

        async def told() -> list[Any]:
            return [line for line in lines if line["event"].startswith("a push ")]

        await scene.question()
        [line] = await eventually(told, seconds=20)
    assert (line["event"], line["log_level"]) == ("a push failed", "error")


async def test_whoever_is_logged_out_is_told_nothing(scene: Scene) -> None:
    await scene.add()
    token = await scene.coordinator.served.api_token("another login")
    there = scene.coordinator.client(token)
    still = Device(f"{scene.service.url}/send/still")
    assert (await there.put("/api/v1/push/devices", json=still.wish())).status_code == 200
    [mine] = [one for one in (await there.get("/api/v1/tokens")).json()["items"] if one["name"] == "tests"]
    assert (await there.delete(f"/api/v1/tokens/{mine['id']}")).status_code == 204
    scene.coordinator.http = there
    await scene.question()
    _, body = await scene.service.next()
    assert still.open(body)["kind"] == "execution.waiting_input"
    assert [one["endpoint"] for one in await scene.devices()] == [still.endpoint]
    assert scene.service.came.empty()


async def test_a_slow_push_service_holds_up_nobody_elses_messages(scene: Scene) -> None:
    slow = Device(f"{scene.service.url}/send/slow")
    scene.service.slow = asyncio.Event()
    await scene.add(slow)
    await scene.add()
    for _ in range(2):
        await scene.question()
        _, body = await scene.service.next()
        assert scene.device.open(body)["kind"] == "execution.waiting_input"
    # Had the second message waited for it, it would have been given up by now.
    assert not any(one["problem"] for one in await scene.devices())
    scene.service.slow.set()
    assert [can_open(slow, (await scene.service.next())[1]) for _ in range(2)] == [True, True]


async def test_one_members_slow_devices_leave_places_for_the_others(scene: Scene, database_url: str) -> None:
    """Of the first member's devices the last one has to wait for one of the slow ones before it."""
    scene.service.slow = asyncio.Event()
    for number in range(AT_ONCE_A_MEMBER):
        await scene.add(Device(f"{scene.service.url}/send/{number}/slow"))
    await scene.add()
    other = Device(f"{scene.service.url}/send/other")
    await give_to_another_member((await scene.add(other))["id"], database_url)
    for _ in range(2):
        await scene.question()
        assert can_open(other, (await scene.service.next())[1])
    assert scene.service.came.empty()
    scene.service.slow.set()


async def test_a_device_that_could_not_be_told_is_left_alone_for_a_while(scene: Scene) -> None:
    await scene.add()
    scene.service.answers = [503]
    await scene.question()
    await scene.service.next()
    await eventually(scene.problem)
    other = Device(f"{scene.service.url}/send/other")
    await scene.add(other)
    await scene.question()
    assert can_open(other, (await scene.service.next())[1])
    assert scene.service.came.empty()
    assert [bool(one["problem"]) for one in await scene.devices()] == [False, True]


async def test_what_waits_for_a_device_is_not_for_who_has_it_next(scene: Scene, database_url: str) -> None:
    before = await scene.add()
    scene.service.answers = [503]
    await scene.question()
    await scene.service.next()
    await eventually(scene.problem)
    assert await rows_of("push_deliveries", database_url) == 1
    again = await scene.add(Device(scene.device.endpoint))
    assert again["id"] != before["id"]
    assert not again["problem"]
    assert await rows_of("push_deliveries", database_url) == 0


async def test_devices_of_a_login_that_is_over_are_forgotten(scene: Scene, database_url: str) -> None:
    await scene.add()
    token = await scene.coordinator.served.api_token("another login")
    there = scene.coordinator.client(token)
    [mine] = [one for one in (await there.get("/api/v1/tokens")).json()["items"] if one["name"] == "tests"]
    assert (await there.delete(f"/api/v1/tokens/{mine['id']}")).status_code == 204
    scene.coordinator.http = there
    await scene.coordinator.task(await scene.coordinator.project())

    async def none_left() -> bool:
        return await rows_of("push_devices", database_url) == 0

    await eventually(none_left)


async def test_private_addresses_are_not_written_to(coordinator: RunningCoordinator) -> None:
    async with push_service() as service:
        plain = Device(f"{service.url}/send/one")
        refused = await coordinator.http.put("/api/v1/push/devices", json=plain.wish())
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid-endpoint")
        secure = Device(f"https://{service.place}/send/one")
        answer = await coordinator.http.put("/api/v1/push/devices", json=secure.wish())
        assert answer.status_code == 200, answer.text
        await asks(coordinator, await enrol(coordinator, "build-07"), await coordinator.project())
        scene = Scene(coordinator, service, secure)
        assert "private address" in await eventually(scene.problem)
        assert service.came.empty()


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "https://"},
        {"endpoint": "https://user:word@push.example/1"},
        {"endpoint": "ftp://push.example/1"},
        {"p256dh": "A" * 87},
        {"auth": "short"},
        {"auth": "A" * 21 + "B"},
        {"events": ["log.appended"]},
    ],
)
async def test_what_is_no_subscription_is_refused(coordinator: RunningCoordinator, wrong: Any) -> None:
    wish = Device("https://push.example/1").wish(**wrong)
    answer = await coordinator.http.put("/api/v1/push/devices", json=wish)
    assert answer.status_code == 422
