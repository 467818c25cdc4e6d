"""Before any teardown: what the agent made is kept, whatever ended the execution."""

from pullyard.worker.change_text import change_title
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.harvest import CommitText
from pullyard.worker.open_sandbox import alone, opened_sandbox
from pullyard.worker.prepare import reopen
from pullyard.worker.publish import may_take_back, take_back
from pullyard.worker.salvage import keep, salvage
from pullyard.worker.take_work import source_of


async def rescue(context: Context) -> str | None:
    """The name of the salvage reference, or None where there is nothing to keep. Repeatable."""
    if may_take_back(context):
        await take_back(context)
    begun = [copy for copy in context.copies if (copy.agent_directory / "upper").exists()]
    if context.record.base_commit is None or len(begun) < len(context.copies):
        return None
    if any(copy.workspace is None for copy in context.copies):
        await reopen(context)
    kept = [await keep_copy(context, copy) for copy in context.copies]
    # Each mirror has a reference of the same name.
    return next(filter(None, kept), None)


async def keep_copy(context: Context, copy: Copy) -> str | None:
    git, execution_id = context.tools.git, context.grant.execution_id
    if copy.record.harvested is not None:
        return await keep(git, source_of(copy), execution_id, copy.record.harvested.commit)
    text = CommitText(f"Unfinished: {change_title(context.grant)}", "", context.record.begun_at)
    async with opened_sandbox(context, *alone(copy)) as sandbox:
        return await salvage(sandbox, git, source_of(copy), execution_id, text)
