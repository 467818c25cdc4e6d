"""Merge or close a change on behalf of a person: only a worker reaches the forge. Repeatable."""

import structlog

from pullyard.forges.registry import FORGES
from pullyard.lifecycle.change import ErrandKind
from pullyard.protocol.errors import LostLease, PullyardError
from pullyard.protocol.worker import Errand, ErrandReport
from pullyard.worker.client import until_answered
from pullyard.worker.context import Tools

logger = structlog.get_logger(__name__)


async def do_errand(tools: Tools, errand: Errand) -> None:
    """Do it and report; an errand that is no longer ours is dropped, another worker has it."""
    try:
        report = ErrandReport(fence=errand.fence, done=True, commit=await perform(tools, errand))
    except (PullyardError, OSError) as error:
        report = ErrandReport(fence=errand.fence, done=False, message=str(error))
    try:
        await until_answered(lambda: tools.client.errand(errand.id, report))
    except LostLease:
        logger.warning("an errand was given to another worker", errand_id=errand.id)


async def perform(tools: Tools, errand: Errand) -> str | None:
    mirror = await tools.mirrors.refresh(errand.repository.url)
    forge = FORGES[errand.repository.forge](tools.git)
    await tools.lease.wait_live()
    if errand.kind is ErrandKind.CLOSE:
        await forge.close(mirror.path, errand.repository.url, branch=errand.branch, commit=errand.commit)
        return None
    return await forge.merge(
        mirror.path,
        errand.repository.url,
        branch=errand.branch,
        base_branch=errand.base_branch,
        commit=errand.commit,
        title=errand.title,
    )
