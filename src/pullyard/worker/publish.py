"""The phase with outside effects: the pushes and the changes. It begins only under a live lease.

Of several repositories all are published or none: everything was harvested and proved before the first push,
and what was pushed when a later push is refused is taken back.
"""

from dataclasses import replace

import structlog

from pullyard.forges.protocol import Forge, Offer, RemoteChange
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.protocol.errors import PullyardError, RemoteFailure
from pullyard.protocol.feedback import pages_answered
from pullyard.protocol.worker import PublishedChange
from pullyard.worker.change_template import TEMPLATE_PLACES, read_template
from pullyard.worker.change_text import change_body, change_title, harmless, reply_text
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.failures import PhaseFailed, as_failure
from pullyard.worker.forges import open_forge
from pullyard.worker.take_work import describe_change
from pullyard.worker.verify import judge

logger = structlog.get_logger(__name__)


async def publish(context: Context, node: Node) -> NodeOutcome:
    """Repeatable: the branch's name and commits are the same every time, and a push compares and swaps."""
    if node.settings.get("unproved") != "allowed":
        for copy in context.changed:
            judge(copy)
    await context.tools.lease.wait_live(context.grant.execution_id)
    context.stop.check()
    for copy in context.changed:
        copy.record.pushed = harvested_commit(copy)
    if may_take_back(context):
        # Before the first push, so that whoever comes after a crash knows what may have to be taken back.
        context.journal.save()
    expected = context.grant.change.commit if context.grant.change and node.settings.get("onto") else None
    reached("publish-begins")
    context.changes = [await publish_copy(context, copy, expected) for copy in context.changed]
    reached("published")
    return NodeOutcome.PASSED


async def publish_copy(context: Context, copy: Copy, expected: str | None) -> PublishedChange:
    grant, record = context.grant, copy.record
    assert record.base_branch is not None
    assert record.base_commit is not None
    rules = grant.change_rules
    offer = Offer(
        branch=grant.branch,
        base_branch=record.base_branch,
        commit=harvested_commit(copy),
        title=change_title(grant),
        body=change_body(context, copy, await template_of(context, copy)),
        draft=rules.draft or grant.candidates > 0,
        labels=tuple(rules.labels),
        reviewers=tuple(rules.reviewers),
        assignees=tuple(rules.assignees),
    )
    try:
        forge = open_forge(context.tools, copy.url, copy.forge)
        remote = await deliver(forge, context, copy, offer, expected)
    except PullyardError as error:
        if len(context.copies) == 1:
            raise
        failure = as_failure(error)
        raise PhaseFailed(
            failure.reason, f"Nothing was published, because of {copy.label}: {failure.message}"
        ) from error
    where = f"{copy.name}: " if copy.name else ""
    log = context.log(Phase.PUBLISH)
    log.line(f"{where}Branch {remote.branch} at {remote.commit[:12]}.")
    if remote.url:
        log.line(f"{where}Change {remote.url}.")
    for note in remote.notes:
        log.line(f"{where}{harmless(note)}")
    diffstat, diff, truncated = await describe_change(context, copy)
    policy = grant.text_policy
    return PublishedChange(
        branch=remote.branch,
        base_branch=record.base_branch,
        base_commit=record.base_commit,
        commit=remote.commit,
        title=offer.title,
        body=offer.body,
        diffstat=diffstat,
        diff=diff if policy.diff else None,
        diff_truncated=truncated and policy.diff,
        url=remote.url,
        repository=copy.name,
        receipt=record.receipt if copy.name else None,
    )


async def template_of(context: Context, copy: Copy) -> str:
    kind, base = context.tools.access.sites.kind(copy.url, copy.forge), copy.record.base_commit
    places = TEMPLATE_PLACES.get(kind, ())
    if not places or base is None:
        return ""
    return await read_template(context.tools.git, copy.mirror.path, base, places)


async def deliver(
    forge: Forge, context: Context, copy: Copy, offer: Offer, expected: str | None
) -> RemoteChange:
    """``expected`` is where the branch of an existing change is: it is gone on with, and told so there."""
    if expected is None:
        return await forge.publish(copy.harvest, copy.url, offer)
    remote = await forge.advance(
        copy.harvest, copy.url, branch=offer.branch, expected=expected, commit=offer.commit
    )
    return replace(remote, notes=(*remote.notes, *await tell(forge, context, copy, offer)))


async def tell(forge: Forge, context: Context, copy: Copy, offer: Offer) -> list[str]:
    """Sentences on what could not be said: the commits are there, and worth more than words about them."""
    mark, notes = context.grant.execution_id, list[str]()
    try:
        await forge.comment(copy.url, branch=offer.branch, text=offer.body, mark=mark)
    except RemoteFailure as failure:
        notes.append(f"It could not be said at the change: {failure.message}")
    pages = pages_answered(context.grant.task.description)
    if not pages:
        return notes
    said = reply_text(context, offer.commit)
    try:
        await forge.reply(copy.url, branch=offer.branch, pages=pages, text=said, mark=mark)
    except RemoteFailure as failure:
        notes.append(f"Not every remark could be answered in its own thread: {failure.message}")
    return notes


async def take_back(context: Context) -> None:
    """Remove from the forges what this execution may have pushed and nobody else has moved. Repeatable.

    It compares and swaps, so it harms nobody even where the execution is another worker's by now.
    """
    log = context.log(Phase.PUBLISH)
    for copy in context.copies:
        commit = copy.record.pushed
        if commit is None:
            continue
        try:
            await take_copy_back(context, copy, commit)
        except PullyardError as error:
            # The others are taken back all the same, and a person is told of this one.
            log.line(f"{copy.label}: the branch {context.grant.branch} may still be there: {error.message}")
            logger.warning("a push was not taken back", repository=copy.name, problem=error.message)
            continue
        copy.record.pushed = None
        log.line(f"{copy.label}: nothing of this execution is published there.")


async def take_copy_back(context: Context, copy: Copy, commit: str) -> None:
    """A branch that was there before is moved back, one that was not is deleted."""
    forge = open_forge(context.tools, copy.url, copy.forge)
    change, branch = context.grant.change, context.grant.branch
    if change is None:
        await forge.close(copy.harvest, copy.url, branch=branch, commit=commit)
        return
    copy.mirror = await context.tools.mirrors.refresh(copy.url)
    if copy.mirror.listing.branches.get(branch) == commit:
        await forge.advance(copy.harvest, copy.url, branch=branch, expected=commit, commit=change.commit)


def may_take_back(context: Context) -> bool:
    """Whether a push has to be undone where the execution fails after it.

    A branch of its own, of one repository, is in nobody's way: the task's next execution replaces it.
    """
    return len(context.copies) > 1 or context.grant.change is not None


def harvested_commit(copy: Copy) -> str:
    assert copy.record.harvested is not None
    return copy.record.harvested.commit
