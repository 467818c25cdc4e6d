"""The phase with outside effects: the push and the change. It begins only under a live lease."""

from pullyard.forges.registry import FORGES
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.protocol.worker import PublishedChange
from pullyard.worker.change_text import change_body, change_title
from pullyard.worker.context import Context
from pullyard.worker.take_work import HARVEST, describe_change
from pullyard.worker.verify import judge


async def publish(context: Context, node: Node) -> NodeOutcome:
    """Repeatable: the branch's name and commit are the same every time, and the push compares and swaps."""
    grant, record = context.grant, context.record
    assert record.harvested is not None
    assert record.receipt is not None
    assert record.base_branch is not None
    assert record.base_commit is not None
    if node.settings.get("unproved") != "allowed":
        judge(record.receipt)
    await context.tools.lease.wait_live()
    context.stop.check()
    title, body = change_title(grant), change_body(grant, record.receipt)
    forge = FORGES[grant.repository.forge](context.tools.git)
    remote = await forge.publish(
        context.directory / HARVEST,
        grant.repository.url,
        branch=grant.branch,
        base_branch=record.base_branch,
        commit=record.harvested.commit,
        title=title,
        body=body,
    )
    context.log(Phase.PUBLISH).line(f"Branch {remote.branch} at {remote.commit[:12]}.")
    diffstat, diff, truncated = await describe_change(context)
    policy = grant.text_policy
    change = PublishedChange(
        branch=remote.branch,
        base_branch=record.base_branch,
        base_commit=record.base_commit,
        commit=remote.commit,
        title=title,
        body=body,
        diffstat=diffstat,
        diff=diff if policy.diff else None,
        diff_truncated=truncated and policy.diff,
        url=remote.url,
    )
    context.changes = [change]
    return NodeOutcome.PASSED
