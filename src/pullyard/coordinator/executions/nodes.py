"""The nodes of an execution, as its worker tells of them and as people read them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.storable import storable
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import NodeFact
from pullyard.protocol.workflows import ExecutionNode
from pullyard.store.queries import named

MAX_NODE_FACTS = 1000
MESSAGE_CHARACTERS = 2000


async def write_nodes(connection: AsyncConnection, execution: Any, nodes: Sequence[NodeFact]) -> None:
    """Repeatable; an attempt that has ended stays as it was told first. ``execution`` is the row.

    The end of the node that asked takes its answer out of the heartbeats.
    """
    if not nodes:
        return
    if len(nodes) > MAX_NODE_FACTS:
        raise RequestError(f"A report has at most {MAX_NODE_FACTS} nodes.", code="too-many-nodes")
    rows = [{**msgspec.to_builtins(node), "message": node.message[:MESSAGE_CHARACTERS]} for node in nodes]
    await connection.execute(named("nodes_write"), {"execution_id": execution.id, "nodes": storable(rows)})
    question = execution.question
    if (
        question
        and not question.get("taken")
        and any(node.name == question["node"] and node.outcome is not None for node in nodes)
    ):
        await connection.execute(named("question_taken"), {"id": execution.id})


async def list_nodes(connection: AsyncConnection, tenant_id: str, execution_id: str) -> list[ExecutionNode]:
    rows = await connection.execute(
        named("nodes_list"), {"tenant_id": tenant_id, "execution_id": execution_id}
    )
    return [ExecutionNode.model_validate(dict(row)) for row in rows.mappings()]
