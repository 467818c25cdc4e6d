"""What is no execution and yet a worker's, because only it reaches the forge. Every errand is repeatable."""

import asyncio
from weakref import WeakValueDictionary

import structlog

from pullyard.forges.errors import ForgeRefused
from pullyard.forges.sites import BARE
from pullyard.git.errors import GitFailed
from pullyard.lifecycle.change import CHANGE_ERRANDS, ChangeState, ErrandKind
from pullyard.protocol.errands import IssuesErrand, IssuesReport
from pullyard.protocol.errors import LostLease, PullyardError, RemoteFailure, RequestError
from pullyard.protocol.worker import ChangeLook, Errand, ErrandReport
from pullyard.worker.change_text import issue_text
from pullyard.worker.client import until_answered
from pullyard.worker.compare import compare
from pullyard.worker.context import Tools
from pullyard.worker.forges import open_forge
from pullyard.worker.policy.places import REFUSED
from pullyard.worker.reap import TEMPORARY
from pullyard.worker.task_list import do_list_errand

UNTELLABLE = frozenset({403, 404, 410, 422})
"""An issue that is gone or locked takes no other word either."""
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
        elif errand.kind is ErrandKind.READ_ISSUES:
            report = ErrandReport(fence=errand.fence, done=True, issues=await read_issues(tools, errand))
        elif errand.kind is ErrandKind.COMPARE:
            temporary = tools.settings.data_directory / TEMPORARY
            url = errand.repository.url
            tried = await compare(tools.git, tools.mirrors, temporary, url, errand.compare)
            report = ErrandReport(fence=errand.fence, done=True, compare=tried)
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
    forge = open_forge(tools, url, wish)
    seen = await forge.status(
        tools.settings.data_directory,
        url,
        branch=errand.branch,
        base_branch=errand.base_branch,
        commit=errand.commit,
    )
    if seen is None:
        return None
    told = ChangeLook(
        state=seen.state,
        commit=seen.commit,
        merged_commit=seen.merged_commit,
        draft=seen.draft,
        approved=seen.approved,
        checks=seen.checks.value,
    )
    if errand.heed is not None and seen.state is ChangeState.OPEN:
        try:
            told.remarks = await forge.feedback(
                url, branch=errand.branch, commit=errand.commit, heed=errand.heed
            )
            told.asked = errand.commit
        except RemoteFailure as failure:
            # A token may be good for changes and not for what is said of them; and what strangers say there
            # must not hide how the change stands.
            told.unheard = failure.message
    return told


async def read_issues(tools: Tools, errand: Errand) -> IssuesReport:
    """What is to be said comes first: it is about work that was begun."""
    url, wish, found = errand.repository.url, errand.issues or IssuesErrand(), IssuesReport()
    if tools.access.sites.kind(url, errand.repository.forge) == BARE:
        return found
    forge = open_forge(tools, url, errand.repository.forge)
    for one in wish.say:
        try:
            text = issue_text(one, tools.client.public_url)
            await forge.tell_issue(url, number=one.number, text=text, mark=one.task_id)
        except RemoteFailure as failure:
            logger.warning("an issue was not told", number=one.number, problem=failure.message)
            if may_be_told_later(failure):
                continue
        found.said.append(one.task_id)
    if wish.label:
        found.issues = await forge.issues(url, label=wish.label, heed=wish.heed)
    return found


def may_be_told_later(failure: RemoteFailure) -> bool:
    """What the worker's owner can mend, such as a token, is tried again in the next look."""
    return failure.status not in UNTELLABLE if isinstance(failure, ForgeRefused) else failure.retryable
