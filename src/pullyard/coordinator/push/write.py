"""Add, list and remove devices; and the one key of the installation that push services know us by."""

from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.push.encryption import new_key, point, read_key, read_keys
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.push import Push, PushDevice, PushDeviceInput
from pullyard.protocol.web_tokens import encode
from pullyard.store.queries import named

DEVICES_A_MEMBER = 20


async def private_key(connection: AsyncConnection) -> str:
    """Made by whoever asks first; a second one would make every device's subscription void."""
    known = await connection.scalar(named("push_key"))
    if known is None:
        await connection.execute(named("push_key_create"), {"private_key": new_key()})
        known = await connection.scalar(named("push_key"))
    assert isinstance(known, str)
    return known


async def show_push(connection: AsyncConnection, person: Principal) -> Push:
    key = read_key(await private_key(connection))
    return Push(public_key=encode(point(key.public_key())), devices=await _devices(connection, person))


async def put_device(
    connection: AsyncConnection, person: Principal, wish: PushDeviceInput, *, plain_http: bool
) -> PushDevice:
    """Of the login that asks: the same endpoint is the same device, whoever's it was. Raises RequestError."""
    check_endpoint(wish.endpoint, plain_http=plain_http)
    read_keys(wish.p256dh, wish.auth)
    await private_key(connection)
    row = {
        "id": new_id(Kind.DEVICE),
        "tenant_id": person.tenant_id,
        "member_id": person.member_id,
        "credential_id": person.credential_id,
        **wish.model_dump(),
    }
    await connection.execute(named("push_devices_dead"))
    await connection.execute(named("push_device_other"), row)
    await connection.execute(named("push_device_put"), row)
    devices = await _devices(connection, person)
    if len(devices) > DEVICES_A_MEMBER:
        raise RequestError(f"You have at most {DEVICES_A_MEMBER} devices: remove one.", code="too-many")
    return next(one for one in devices if one.endpoint == wish.endpoint)


def check_endpoint(url: str, *, plain_http: bool) -> None:
    """Raises RequestError. Where it leads is looked at whenever a message is sent."""
    try:
        parts = urlsplit(url)
        named_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named_host = False
        parts = urlsplit("")
    safe = parts.scheme == "https" or plain_http
    if not (named_host and safe) or parts.username is not None or parts.fragment:
        raise RequestError(
            "A push service's address starts with https:// and holds no account.", code="invalid-endpoint"
        )


async def remove_device(connection: AsyncConnection, person: Principal, device_id: str) -> None:
    """Raises NotFound."""
    wanted = {"tenant_id": person.tenant_id, "member_id": person.member_id, "id": device_id}
    if (await connection.execute(named("push_device_remove"), wanted)).rowcount == 0:
        raise NotFound("device")


async def _devices(connection: AsyncConnection, person: Principal) -> list[PushDevice]:
    wanted = {"tenant_id": person.tenant_id, "member_id": person.member_id}
    rows = (await connection.execute(named("push_devices_list"), wanted)).mappings()
    return [PushDevice.model_validate(row) for row in rows]
