"""An execution asks the coordinator how far its spending may go."""

import structlog

from pullyard.lifecycle.budgets import AllowanceState
from pullyard.protocol.errors import PullyardError, RequestError
from pullyard.protocol.worker import Allowance, Grant, NodeFact, Spending, SpendingRequest
from pullyard.worker.client import CoordinatorClient

logger = structlog.get_logger(__name__)

NOT_KNOWN = (404, 405)


async def ask_for_more(
    client: CoordinatorClient, grant: Grant, node: NodeFact, spending: Spending, *, asks: bool
) -> Allowance:
    """Of a coordinator that is away, or that gave the execution up, nothing more is to be had for now."""
    request = SpendingRequest(
        fence=grant.fence, node=node.name, phase=node.phase, spending=spending, asks=asks
    )
    try:
        return await client.spending(grant.execution_id, request)
    except PullyardError as failure:
        if isinstance(failure, RequestError) and failure.status in NOT_KNOWN:
            # An older coordinator knows of the task's own budget only.
            return Allowance(number=spending.number, micros=grant.task.budget_micros)
        logger.warning("the coordinator allows no spending", problem=failure.message, code=failure.code)
    return Allowance(
        number=spending.number,
        state=AllowanceState.WAIT,
        message="The coordinator could not be asked whether the budget is spent.",
        shared=True,
    )
