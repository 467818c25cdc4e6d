"""Makes the demo's repository: a real one, with one commit and one failing test."""

from importlib.resources import as_file, files
from pathlib import Path

from pullyard.git.program import Git

BRANCH = "main"
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Pullyard demo"), ("EMAIL", "demo@pullyard.invalid"))
}


async def make_demo_repository(place: Path) -> str:
    """A bare repository at ``place``, which must not exist; the commit on its base branch."""
    git = Git()
    await git.ok("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(place))
    with as_file(files("pullyard.agents") / "demo_data" / "repository") as template:
        index = {"GIT_INDEX_FILE": str(place / "demo-index"), "GIT_WORK_TREE": str(template)}
        await git.ok(
            *("-C", str(template), "add", "--all", "--", ".", ":(exclude,glob)**/__pycache__/**"),
            git_dir=place,
            environment=index,
        )
        tree = (await git.ok("write-tree", git_dir=place, environment=index)).decode().strip()
    (place / "demo-index").unlink()
    message = "Add invoices with instalments"
    written = await git.ok("commit-tree", "-m", message, tree, git_dir=place, environment=_AUTHOR)
    commit = written.decode().strip()
    await git.ok("update-ref", f"refs/heads/{BRANCH}", commit, git_dir=place)
    return commit
