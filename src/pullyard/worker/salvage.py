"""Unfinished work, kept in the mirror as a commit that a later execution can go on from."""

from pullyard.git.addresses import read_address
from pullyard.git.names import check_object_id
from pullyard.git.program import Git
from pullyard.git.remotes import Remotes
from pullyard.sandboxes.protocol import Sandbox
from pullyard.worker.harvest import CommitText, Source, harvest
from pullyard.worker.harvest_rules import SALVAGE_LIMITS
from pullyard.worker.mirrors import Mirror
from pullyard.worker.saved_work import SALVAGE, salvage_ref


async def salvage(
    sandbox: Sandbox, git: Git, source: Source, execution_id: str, text: CommitText
) -> str | None:
    """Harvest by the loose rules and keep the result; the reference's name, None where nothing changed.

    Repeatable. Raises HarvestRefused, and SandboxUnavailable where no sandbox can be started any more:
    then the work stays in the execution's directory, because nothing else may read it.
    """
    harvested = await harvest(sandbox, git, source, text, SALVAGE_LIMITS)
    if harvested is None:
        return None
    return await keep(git, source, execution_id, harvested.commit)


async def keep(git: Git, source: Source, execution_id: str, commit: str) -> str:
    """Keep a commit that was harvested already, such as one that did not pass verification."""
    reference = salvage_ref(execution_id)
    own = read_address(str(source.repository))
    refspec = f"+{check_object_id(commit)}:{reference}"
    await Remotes(git).fetch(own, source.mirror.path, refspec, durable=True)
    return reference


async def list_salvage(git: Git, mirror: Mirror) -> dict[str, str]:
    """The commits kept, by execution."""
    words = ("for-each-ref", "--format=%(objectname) %(refname)", SALVAGE)
    lines = (await git.ok(*words, git_dir=mirror.path)).decode().splitlines()
    return {name.removeprefix(SALVAGE): commit for commit, name in (line.split(" ", 1) for line in lines)}
