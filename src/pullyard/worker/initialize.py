"""The node that finds out what a repository is made of and writes its task list; no model is needed."""

from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.worker.context import Context
from pullyard.worker.open_sandbox import opened_sandbox, working_copies
from pullyard.worker.take_work import take_work


async def initialize(context: Context, node: Node) -> NodeOutcome:
    del node
    async with opened_sandbox(context, *working_copies(context)) as sandbox:
        return await take_work(context, sandbox)
