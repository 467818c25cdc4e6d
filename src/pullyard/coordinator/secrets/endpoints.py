"""Keys of model providers, sealed to workers before they come here."""

from fastapi import APIRouter

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.secrets.keys import key_resource, list_keys, remove_key, set_key
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.provider_keys import ProviderKey, ProviderKeyInput
from pullyard.protocol.resources import Page

router = APIRouter(prefix="/api/v1/keys", tags=["secrets"])


@router.get("")
async def list_all(
    person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[ProviderKey]:
    """The newest first; of the members' own only the caller's."""
    async with services.database.transaction() as connection:
        rows = await list_keys(connection, person, before_id=before(cursor), limit=limit + 1)
    return page(rows, limit, key_resource)


@router.put("")
async def replace(wish: ProviderKeyInput, person: Person, services: ServicesNeeded) -> ProviderKey:
    """The one of the same scope and provider is replaced; what runs goes on with the old one."""
    async with services.database.transaction() as connection:
        return await set_key(connection, person, wish)


@router.delete("/{key_id}", status_code=204)
async def remove(key_id: str, person: Person, services: ServicesNeeded) -> None:
    """What runs goes on with it."""
    async with services.database.transaction() as connection:
        await remove_key(connection, person, key_id)
