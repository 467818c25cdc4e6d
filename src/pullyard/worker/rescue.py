"""Before any teardown: what the agent made is kept, whatever ended the execution."""

from pullyard.worker.change_text import change_title
from pullyard.worker.context import AGENT_DIRECTORY, Context
from pullyard.worker.harvest import CommitText
from pullyard.worker.open_sandbox import opened_sandbox
from pullyard.worker.prepare import reopen
from pullyard.worker.salvage import keep, salvage
from pullyard.worker.take_work import source_of


async def rescue(context: Context) -> str | None:
    """The name of the salvage reference, or None where there is nothing to keep. Repeatable."""
    record, tools = context.record, context.tools
    if record.base_commit is None or not (context.directory / AGENT_DIRECTORY / "upper").exists():
        return None
    if context.workspace is None:
        await reopen(context)
    assert context.workspace is not None
    source, execution_id = source_of(context), context.grant.execution_id
    if record.harvested is not None:
        return await keep(tools.git, source, execution_id, record.harvested.commit)
    text = CommitText(f"Unfinished: {change_title(context.grant)}", "", record.begun_at)
    async with opened_sandbox(context, context.workspace) as sandbox:
        return await salvage(sandbox, tools.git, source, execution_id, text)
