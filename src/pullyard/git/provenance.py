"""Which task and which of its executions a commit is of, in the commit's own trailers.

Two workers may come to publish for the same task, the one that was thought dead among them. The later
execution has the higher fence, so whoever looks at a branch can tell whose work has to stay.
"""

from dataclasses import dataclass
from pathlib import Path

from pullyard.git.names import check_object_id
from pullyard.git.program import Git

TASK, FENCE = "Pullyard-Task", "Pullyard-Fence"


@dataclass(frozen=True)
class Provenance:
    task_id: str
    fence: int

    def comes_after(self, other: "Provenance | None") -> bool:
        """Whether this is of a later execution of the same task; False where ``other`` is somebody else's."""
        return other is not None and other.task_id == self.task_id and other.fence < self.fence


def provenance(task_id: str, fence: int) -> str:
    """The trailers: the last paragraph of the message, where a task's own text can't stand for them."""
    return f"{TASK}: {task_id}\n{FENCE}: {fence}"


async def read_provenance(git: Git, repository: Path, commit: str) -> Provenance | None:
    """None where Pullyard did not make the commit. ``repository`` has it."""
    wanted = f"%(trailers:key={TASK},valueonly)%x00%(trailers:key={FENCE},valueonly)"
    words = ("show", "--no-patch", f"--format={wanted}", check_object_id(commit))
    said = (await git.ok(*words, git_dir=repository)).decode("utf-8", "replace")
    tasks, _, fences = said.partition("\0")
    task_id, fence = tasks.strip(), fences.strip()
    return Provenance(task_id, int(fence)) if task_id and fence.isascii() and fence.isdigit() else None
