"""A repository without a commit gets its first one, so that there is a base for a change to be offered on."""

from pullyard.git.commits import commit_tree
from pullyard.git.errors import PushRefused
from pullyard.git.remotes import Push, Remotes
from pullyard.lifecycle.execution import Phase
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy

FIRST_BRANCH = "main"
MESSAGE = b"Begin the repository\n\nAn empty commit, so that changes have a base.\n"


async def begin_repository(context: Context, copy: Copy) -> None:
    """Push an empty commit to the base branch, unless somebody else was first. Repeatable."""
    git, branch = context.tools.git, copy.wanted_branch or FIRST_BRANCH
    await context.tools.lease.wait_live(context.grant.execution_id)
    context.stop.check()
    tree = (await git.ok("mktree", git_dir=copy.mirror.path, stdin=b"")).decode().strip()
    commit = await commit_tree(git, copy.mirror.path, tree, [], MESSAGE, moment=context.record.begun_at)
    try:
        await Remotes(git).push(copy.mirror.address, copy.mirror.path, Push(branch, None, commit))
        context.log(Phase.PREPARE).line(f"The repository was empty: {branch} begins at {commit[:12]}.")
    except PushRefused:
        # Somebody else began it meanwhile; whether the wanted branch is there is asked next.
        context.log(Phase.PREPARE).line("The repository was empty until just now.")
    copy.mirror = await context.tools.mirrors.refresh(copy.url)
