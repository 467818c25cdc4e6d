"""A user points at the repository they work in: its checked-out branch moves only when nothing is lost."""

import os
from pathlib import Path

import pytest

from pullyard.forges.access import Access
from pullyard.forges.bare import BareForge
from pullyard.git.bare import make_bare
from pullyard.git.errors import PushRefused
from pullyard.git.program import Git
from tests.repositories import commit_files, git_in, make_repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "-my répo, it's mine", {"a.txt": "a\n"})


async def merge_a_change(repository: Path, own: Path) -> str:
    """A commit on main that only the branch ``change`` has, merged by the forge."""
    git_in(repository, "checkout", "-q", "-b", "change")
    commit = commit_files(repository, {"b.txt": "b\n"})
    git_in(repository, "checkout", "-q", "main")
    return await BareForge(Git(), Access()).merge(
        make_bare(own), str(repository), branch="change", base_branch="main", commit=commit, title="Merge"
    )


async def test_a_clean_working_tree_is_brought_along(repository: Path, tmp_path: Path) -> None:
    result = await merge_a_change(repository, tmp_path / "own.git")
    assert git_in(repository, "rev-parse", "main") == result
    assert (repository / "b.txt").read_text() == "b\n"
    assert git_in(repository, "status", "--porcelain") == ""


async def test_uncommitted_work_is_never_touched(repository: Path, tmp_path: Path) -> None:
    before = git_in(repository, "rev-parse", "main")
    (repository / "a.txt").write_text("mine, not committed\n")
    git_in(repository, "stash")
    git_in(repository, "checkout", "-q", "-b", "change")
    commit = commit_files(repository, {"b.txt": "b\n"})
    git_in(repository, "checkout", "-q", "main")
    git_in(repository, "stash", "pop")
    with pytest.raises(PushRefused, match="commit or stash"):
        await BareForge(Git(), Access()).merge(
            make_bare(tmp_path / "own.git"),
            str(repository),
            branch="change",
            base_branch="main",
            commit=commit,
            title="Merge",
        )
    assert (repository / "a.txt").read_text() == "mine, not committed\n"
    assert git_in(repository, "rev-parse", "main") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works in other people's repositories")
async def test_root_acts_as_the_owner(repository: Path, tmp_path: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nid -u >who\n")
    hook.chmod(0o755)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    git_in(repository, "checkout", "-q", "-b", "change")
    commit = commit_files(repository, {"b.txt": "b\n"})
    git_in(repository, "checkout", "-q", "main")
    for folder, folders, names in os.walk(repository):
        for name in (".", *folders, *names):
            os.chown(Path(folder, name), 65534, 65534, follow_symlinks=False)
    own = make_bare(tmp_path / "own.git")
    await BareForge(Git(), Access()).merge(
        own, str(repository), branch="change", base_branch="main", commit=commit, title="Merge"
    )
    assert (repository / ".git" / "who").read_text() == "65534\n"
    owners = {os.lstat(Path(place, name)).st_uid for place, _, names in os.walk(repository) for name in names}
    assert owners == {65534}
