"""The node that finds out what a repository is made of and writes its task list; no model is needed."""

import os
import shlex

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.task_lists.model import DEFAULT_PATH
from pullyard.lifecycle.task_lists.template import task_list_template
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.sandboxes.protocol import Command, Sandbox
from pullyard.worker.base_files import top_names
from pullyard.worker.context import Context
from pullyard.worker.detect import Detected
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.open_sandbox import opened_sandbox, working_copies
from pullyard.worker.survey import Survey, survey
from pullyard.worker.take_work import take_work
from pullyard.worker.verify import choose_commands

HEADING = "## To do"


async def initialize(context: Context, node: Node) -> NodeOutcome:
    """Repeatable. A repository that has a task list is looked at and left as it is."""
    del node
    copy, log = context.main, context.log(Phase.IMPLEMENT)
    git = context.tools.git
    top = await top_names(git, copy.mirror.path, copy.start_commit)
    found = await survey(git, copy.mirror.path, copy.start_commit, top)
    chosen = await choose_commands(context, copy)
    lines = describe_findings(found, chosen)
    for line in lines:
        log.line(line)
    context.facts["repository"] = {
        "files": found.files,
        "languages": [{"name": name, "files": files} for name, files in found.languages],
        "instructions": list(found.instructions),
        "verify_commands": chosen.commands,
        "verify_source": chosen.source,
        "task_list": DEFAULT_PATH in top,
    }
    context.facts["notes"] = "**What was found**\n\n" + "\n".join(f"- {line}" for line in lines)
    if DEFAULT_PATH in top:
        log.line(f"There is a {DEFAULT_PATH} already: nothing is changed.")
        return NodeOutcome.UNCHANGED
    async with opened_sandbox(context, *working_copies(context)) as sandbox:
        await write_file(sandbox, DEFAULT_PATH, fill_in(lines))
        return await take_work(context, sandbox)


def describe_findings(found: Survey, chosen: Detected) -> list[str]:
    """One sentence each; nothing in them is the repository's own words."""
    languages = ", ".join(f"{name} ({files} files)" for name, files in found.languages)
    commands = " && ".join(shlex.join(argv) for argv in chosen.commands)
    return [
        f"Files: {found.files}. Languages: {languages or 'none that is known'}.",
        f"Verified with: `{commands}` (from {chosen.source})."
        if commands
        else "Verified with: nothing, as no verify command was found. Set the project's verify_commands.",
        f"Instructions for agents: {', '.join(found.instructions) or 'none (an AGENTS.md helps them)'}.",
    ]


def fill_in(lines: list[str]) -> str:
    """The template with the findings, as a comment that no reader of the list takes for an item."""
    comment = "\n".join(["<!--", "Found when this file was made:", "", *lines, "-->", "", ""])
    before, heading, after = task_list_template().partition(HEADING)
    return f"{before}{comment}{heading}{after}"


async def write_file(sandbox: Sandbox, name: str, text: str) -> None:
    """Inside the sandbox, so that a link of the repository's leads nowhere but inside it."""
    stdin = os.memfd_create("file")
    try:
        os.write(stdin, text.encode())
        os.lseek(stdin, 0, os.SEEK_SET)
        process = await sandbox.start(Command(argv=("sh", "-c", 'cat > "$1"', "write", name), stdin=stdin))
    finally:
        os.close(stdin)
    try:
        exit_code = await process.wait()
    finally:
        await process.kill()
    if exit_code:
        raise PhaseFailed(Reason.SETUP_FAILED, f"{name} can't be written in the working copy.")
