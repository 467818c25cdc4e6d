"""The node that finds out what a repository is made of and writes its task list; no model is needed."""

from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.worker.context import Context
from pullyard.worker.open_sandbox import opened_sandbox
from pullyard.worker.take_work import take_work


async def initialize(context: Context, node: Node) -> NodeOutcome:
    del node
    assert context.workspace is not None
    async with opened_sandbox(context, context.workspace) as sandbox:
        return await take_work(context, sandbox)
