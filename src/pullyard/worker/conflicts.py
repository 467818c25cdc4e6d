"""Conflicts of a merge that is under way in a working copy: what an agent is told, and may not leave."""

from pullyard.git.errors import GitFailed
from pullyard.lifecycle.reasons import Reason
from pullyard.worker.change_text import harmless
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.journal import Merging

MOST_CONFLICTS = 200
"""Files. With more, nobody is asked to solve them by himself."""


def conflicts_text(context: Context) -> str:
    """For an agent; empty where nothing is merged, or all of it went together."""
    parts: list[str] = []
    for copy in context.copies:
        merging = copy.record.merging
        if merging and merging.conflicts:
            ours, theirs = marks(copy.start_commit, merging)
            files = "\n".join(f"- {name}" for name in merging.conflicts)
            parts.append(
                f"Between the lines `{ours}` and `=======` stands what the change has, from there "
                f"to `{theirs}` what {copy.record.base_branch} has. A file without such lines was deleted or "
                "moved by one side, or is no text: `git status` says more. These have conflicts:"
                f"\n\n{files}"
            )
    return "\n\n".join(parts)


def marks(start_commit: str, merging: Merging) -> tuple[str, str]:
    """The lines around a conflict: they name the commits, so that no file has them for another reason."""
    return f"<<<<<<< {start_commit}", f">>>>>>> {merging.commit}"


async def check_solved(context: Context, copy: Copy, commit: str) -> None:
    """Raises PhaseFailed where ``commit`` still has the marks of a conflict."""
    merging = copy.record.merging
    if merging is None or not merging.conflicts:
        return
    sought = [word for mark in marks(copy.start_commit, merging) for word in ("-e", mark)]
    # In all files: an agent may have moved one with its marks.
    done = await context.tools.git.run(
        *("grep", "-l", "-z", "-a", "-F", *sought, commit), git_dir=copy.harvest
    )
    if done.exit_code not in (0, 1) or done.timed_out:
        raise GitFailed("grep", done.exit_code, done.stderr, timed_out=done.timed_out)
    left = [name.partition(":")[2] for name in done.stdout.decode("utf-8", "replace").split("\0") if name]
    if left:
        raise PhaseFailed(
            Reason.AGENT_FAILED,
            f"The agent left conflicts in {harmless(', '.join(left[:5]))}: solve them yourself.",
        )
