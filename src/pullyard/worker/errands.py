"""What is no execution and yet a worker's, because only it reaches the forge. Every errand is repeatable."""

import asyncio
from weakref import WeakValueDictionary

import structlog

from pullyard.forges.sites import BARE
from pullyard.git.errors import GitFailed
from pullyard.lifecycle.change import CHANGE_ERRANDS, ErrandKind
from pullyard.protocol.errors import LostLease, PullyardError, RequestError
from pullyard.protocol.worker import ChangeLook, Errand, ErrandReport
from pullyard.worker.client import until_answered
from pullyard.worker.context import Tools
from pullyard.worker.forges import open_forge
from pullyard.worker.policy.places import REFUSED
from pullyard.worker.task_list import do_list_errand

logger = structlog.get_logger(__name__)


class Errands:
    """One after the other for each repository: they push to one branch, and would get in each other's way."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        # A repository's turn lasts for as long as somebody holds it or waits for it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def do(self, errand: Errand) -> None:
        structlog.contextvars.bind_contextvars(errand_id=errand.id, errand=errand.kind.value)
        turn = self._turns.setdefault(errand.repository.url, asyncio.Lock())
        async with turn:
            await do_errand(self._tools, errand)


async def do_errand(tools: Tools, errand: Errand) -> None:
    """Do it and report; an errand that is no longer ours is dropped, another worker has it."""
    try:
        tools.decider.check_errand(errand)
        if errand.kind is ErrandKind.LOOK:
            report = ErrandReport(fence=errand.fence, done=True, look=await look(tools, errand))
        elif errand.kind in CHANGE_ERRANDS:
            report = ErrandReport(fence=errand.fence, done=True, commit=await perform(tools, errand))
        else:
            found = await do_list_errand(tools.git, tools.mirrors, tools.lease, errand)
            report = ErrandReport(fence=errand.fence, done=True, task_list=found)
    except (PullyardError, GitFailed, OSError) as error:
        refused = isinstance(error, RequestError) and error.code in (REFUSED, "forge-not-configured")
        report = ErrandReport(fence=errand.fence, done=False, message=str(error), refused=refused)
    try:
        await until_answered(lambda: tools.client.errand(errand.id, report))
    except LostLease:
        logger.warning("an errand was given to another worker")


async def perform(tools: Tools, errand: Errand) -> str | None:
    async with tools.mirrors.opened(errand.repository.url) as mirror:
        forge = open_forge(tools, errand.repository.url, errand.repository.forge)
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


async def look(tools: Tools, errand: Errand) -> ChangeLook | None:
    """Without git: only forges with an API have changes to look at."""
    url, wish = errand.repository.url, errand.repository.forge
    if tools.access.sites.kind(url, wish) == BARE:
        return None
    seen = await open_forge(tools, url, wish).status(
        tools.settings.data_directory,
        url,
        branch=errand.branch,
        base_branch=errand.base_branch,
        commit=errand.commit,
    )
    if seen is None:
        return None
    return ChangeLook(
        state=seen.state,
        commit=seen.commit,
        merged_commit=seen.merged_commit,
        draft=seen.draft,
        approved=seen.approved,
        checks=seen.checks.value,
    )
