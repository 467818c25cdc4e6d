"""A repository without a commit gets its first one, so that there is a base for a change to be offered on."""

from pullyard.git.errors import PushRefused
from pullyard.git.remotes import Push, Remotes
from pullyard.lifecycle.execution import Phase
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.harvest import CommitText

FIRST_BRANCH = "main"
MESSAGE = b"Begin the repository\n\nAn empty commit, so that changes have a base.\n"


async def begin_repository(context: Context, copy: Copy) -> None:
    """Push an empty commit to the base branch, unless somebody else was first. Repeatable."""
    git, branch = context.tools.git, copy.wanted_branch or FIRST_BRANCH
    await context.tools.lease.wait_live(context.grant.execution_id)
    context.stop.check()
    moment = f"@{context.record.begun_at} +0000"
    person = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", CommitText.name), ("EMAIL", CommitText.email), ("DATE", moment))
    }
    tree = (await git.ok("mktree", git_dir=copy.mirror.path, stdin=b"")).decode().strip()
    made = await git.ok(
        "commit-tree", tree, "-F", "-", git_dir=copy.mirror.path, environment=person, stdin=MESSAGE
    )
    commit = made.decode().strip()
    try:
        await Remotes(git).push(copy.mirror.address, copy.mirror.path, Push(branch, None, commit))
        context.log(Phase.PREPARE).line(f"The repository was empty: {branch} begins at {commit[:12]}.")
    except PushRefused:
        # Somebody else began it meanwhile; whether the wanted branch is there is asked next.
        context.log(Phase.PREPARE).line("The repository was empty until just now.")
    copy.mirror = await context.tools.mirrors.refresh(copy.url)
