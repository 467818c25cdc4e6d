"""Sealed keys are kept, listed without their boxes, and handed to the worker of an execution."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.tenants.owners import require_owner
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.provider_keys import KeyScope, ProviderKey, ProviderKeyInput
from pullyard.protocol.worker import KeyAnswer, KeyRequest
from pullyard.store.queries import named


async def set_key(connection: AsyncConnection, caller: Principal, wish: ProviderKeyInput) -> ProviderKey:
    """Only owners set what others' tasks use. Raises RequestError, NotFound."""
    if (wish.project_id is not None) is not (wish.scope is KeyScope.PROJECT):
        raise RequestError("A key of the scope 'project' names its project, and no other does.", status=422)
    if wish.scope is not KeyScope.USER:
        await require_owner(connection, caller)
    elif caller.member_id is None:
        raise RequestError("This token belongs to nobody: give a key of the tenant's.", status=422)
    if wish.project_id is not None:
        await read_project(connection, caller.tenant_id, wish.project_id)
    values = {
        "id": new_id(Kind.KEY),
        "tenant_id": caller.tenant_id,
        "project_id": wish.project_id,
        "member_id": caller.member_id if wish.scope is KeyScope.USER else None,
        "provider": wish.provider,
        "boxes": wish.boxes,
    }
    key_id: str = await connection.scalar(named("key_set"), values)
    about = {"key_id": key_id, "provider": wish.provider, "scope": wish.scope}
    await tell(connection, "key.set", TaskNews(caller.tenant_id, wish.project_id), about)
    rows = await list_keys(connection, caller, key_id=key_id)
    return key_resource(rows[0])


async def list_keys(
    connection: AsyncConnection,
    caller: Principal,
    *,
    key_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[Any]:
    whose = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    rows = await connection.execute(
        named("keys_list"), {**whose, "id": key_id, "before": before_id, "limit": limit}
    )
    return list(rows.mappings())


def key_resource(row: Any) -> ProviderKey:
    scope = KeyScope.TENANT
    if row["project_id"] is not None:
        scope = KeyScope.PROJECT
    elif row["member_id"] is not None:
        scope = KeyScope.USER
    shown = {name: row[name] for name in ProviderKey.model_fields if name != "scope"}
    return ProviderKey(**shown, scope=scope)


async def remove_key(connection: AsyncConnection, caller: Principal, key_id: str) -> None:
    """Only owners remove what others' tasks use. Raises NotFound."""
    rows = await list_keys(connection, caller, key_id=key_id)
    if not rows:
        raise NotFound("key")
    if rows[0]["member_id"] is None:
        await require_owner(connection, caller)
    whose = {"tenant_id": caller.tenant_id, "member_id": caller.member_id}
    await connection.execute(named("key_remove"), {**whose, "id": key_id})
    await tell(connection, "key.removed", TaskNews(caller.tenant_id), {"key_id": key_id})


async def key_for(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, wish: KeyRequest
) -> KeyAnswer:
    """Empty where there is none for this worker, or the execution is not its own any more."""
    parameters = {
        "tenant_id": tenant_id,
        "worker_id": worker_id,
        "execution_id": execution_id,
        "fence": wish.fence,
        "provider": wish.provider,
        "sealing_key": wish.sealing_key,
    }
    row = (await connection.execute(named("key_for_execution"), parameters)).one_or_none()
    return KeyAnswer() if row is None else KeyAnswer(id=row.id, box=row.box)
