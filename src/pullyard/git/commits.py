"""Commits that the worker makes itself, by whom, signed where its owner gave a key; and what they hold."""

from collections.abc import Sequence
from pathlib import Path

from pullyard.git.errors import GitFailed
from pullyard.git.names import check_object_id
from pullyard.git.program import Git


async def commit_tree(
    git: Git,
    repository: Path,
    tree: str,
    parents: Sequence[str],
    message: bytes,
    *,
    moment: int | None = None,
) -> str:
    """The new commit's id; no reference is moved. The same input makes the same commit.

    ``moment`` is in seconds since 1970; None is now. Raises GitFailed.
    """
    person = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", git.settings.author.name), ("EMAIL", git.settings.author.email))
    }
    if moment is not None:
        person |= {f"GIT_{role}_DATE": f"@{moment} +0000" for role in ("AUTHOR", "COMMITTER")}
    key = git.settings.signing_key
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}") if key else ()
    before = [word for parent in parents for word in ("-p", check_object_id(parent))]
    words = (*signing, "commit-tree", *(["-S"] if key else []), check_object_id(tree), *before, "-F", "-")
    made = await git.ok(*words, git_dir=repository, environment=person, stdin=message)
    return check_object_id(made.decode().strip())


async def is_ancestor(git: Git, repository: Path, ancestor: str, descendant: str) -> bool:
    """Whether ``descendant`` has all of ``ancestor``, as each has all of itself. Raises GitFailed."""
    words = ("merge-base", "--is-ancestor", check_object_id(ancestor), check_object_id(descendant))
    done = await git.run(*words, git_dir=repository)
    if done.exit_code not in (0, 1) or done.timed_out:
        raise GitFailed("merge-base", done.exit_code, done.stderr, timed_out=done.timed_out)
    return done.exit_code == 0
