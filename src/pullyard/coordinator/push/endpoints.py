"""The devices of whoever asks, for people."""

from fastapi import APIRouter

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.push.write import put_device, remove_device, show_push
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.push import Push, PushDevice, PushDeviceInput

router = APIRouter(prefix="/api/v1/push", tags=["push"])


@router.get("")
async def show(person: Person, services: ServicesNeeded) -> Push:
    """The key that devices subscribe with, and your devices."""
    async with services.database.transaction() as connection:
        return await show_push(connection, person)


@router.put("/devices")
async def put(wish: PushDeviceInput, person: Person, services: ServicesNeeded) -> PushDevice:
    """Adds a device, or changes what it is told of. It is told as long as the login that asks lasts."""
    plain_http = bool(services.settings.push_allow_private)
    async with services.database.transaction() as connection:
        device = await put_device(connection, person, wish, plain_http=plain_http)
    services.database.after_commit(services.pushes.wake)
    return device


@router.delete("/devices/{device_id}", status_code=204)
async def remove(device_id: str, person: Person, services: ServicesNeeded) -> None:
    async with services.database.transaction() as connection:
        await remove_device(connection, person, device_id)
