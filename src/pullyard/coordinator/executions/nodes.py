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
NAME_CHARACTERS = 100
LONGEST_SECONDS = 366 * 86_400.0
"""Beyond some length the database can't date an attempt back."""


async def write_nodes(connection: AsyncConnection, execution: Any, nodes: Sequence[NodeFact]) -> None:
    """Repeatable; an attempt that has ended stays as it was told first. ``execution`` is the row.

    The end of the node that asked takes its answer out of the heartbeats.
    """
    if not nodes:
        return
    if not are_valid(nodes):
        raise RequestError(
            f"A report tells of {MAX_NODE_FACTS} attempts at most, each once, by short names and numbers.",
            code="invalid-nodes",
        )
    await connection.execute(
        named("nodes_write"), {"execution_id": execution.id, "nodes": storable(node_rows(nodes))}
    )
    question = execution.question
    if (
        question
        and not question.get("taken")
        and any(node.name == question["node"] and node.outcome is not None for node in nodes)
    ):
        await connection.execute(named("question_taken"), {"id": execution.id})


def are_valid(nodes: Sequence[NodeFact]) -> bool:
    """Whether they are what an honest worker may tell."""
    # One statement writes them all, and can't write an attempt twice.
    attempts = {(node.name, node.attempt) for node in nodes}
    return len(attempts) == len(nodes) <= MAX_NODE_FACTS and all(
        1 <= len(node.name) <= NAME_CHARACTERS
        and 1 <= node.attempt <= MAX_NODE_FACTS
        and 0 <= node.place <= MAX_NODE_FACTS
        and 0 <= node.seconds <= LONGEST_SECONDS
        for node in nodes
    )


def node_rows(nodes: Sequence[NodeFact]) -> list[dict[str, Any]]:
    """As they are written; the caller has asked ``are_valid``."""
    return [{**msgspec.to_builtins(node), "message": node.message[:MESSAGE_CHARACTERS]} for node in nodes]


async def list_nodes(connection: AsyncConnection, tenant_id: str, execution_id: str) -> list[ExecutionNode]:
    rows = await connection.execute(
        named("nodes_list"), {"tenant_id": tenant_id, "execution_id": execution_id}
    )
    return [ExecutionNode.model_validate(dict(row)) for row in rows.mappings()]
