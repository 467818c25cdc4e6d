"""What only an owner may do."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.protocol.errors import RequestError
from pullyard.store.queries import named


async def require_owner(connection: AsyncConnection, caller: Principal) -> None:
    """Raises RequestError 403: who is limited does not say how much."""
    role = await connection.scalar(
        named("member_role"), {"tenant_id": caller.tenant_id, "id": caller.member_id}
    )
    if role != "owner":
        raise RequestError(
            "Only an owner changes limits: ask one, or use an owner's token.", code="owner-only", status=403
        )
