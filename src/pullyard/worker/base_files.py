"""Files of the base commit, read from the mirror: never from a tree that an agent could write to."""

from pathlib import Path

from pullyard.git.program import Git

TOP_BYTES = 1 << 20


async def top_names(git: Git, mirror: Path, commit: str) -> list[str]:
    """The entries at the top of the commit's tree, as many as fit into a mebibyte."""
    done = await git.run("ls-tree", "-z", "--name-only", commit, git_dir=mirror, limit_bytes=TOP_BYTES)
    return [name.decode("utf-8", "replace") for name in done.stdout.split(b"\0") if name]


async def read_file(git: Git, mirror: Path, commit: str, path: str, limit_bytes: int) -> bytes | None:
    """The file's content, cut at the limit; None where the commit has no such file."""
    done = await git.run("cat-file", "blob", f"{commit}:{path}", git_dir=mirror, limit_bytes=limit_bytes)
    return None if done.exit_code and not done.truncated else done.stdout
