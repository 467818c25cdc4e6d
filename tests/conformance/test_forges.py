"""What every forge must do, over every way to reach a repository."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.forges.bare import BareForge
from pullyard.forges.protocol import Forge
from pullyard.forges.registry import FORGES
from pullyard.git.addresses import Address, Login
from pullyard.git.bare import make_bare
from pullyard.git.errors import BaseBranchMissing, PushRefused, RepositoryUnreachable
from pullyard.git.program import Author, Git, GitSettings
from pullyard.git.provenance import provenance
from pullyard.git.remotes import Push, Remotes
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import Conflict
from tests.forges.kinds import make_server
from tests.forges.server import serve_forge
from tests.forges.sites import BRANCH, Site, merge, publish, site_at, status
from tests.repositories import (
    branches_of,
    commit_files,
    find_sshd,
    git_in,
    make_bare_clone,
    make_repository,
    serve_http,
    serve_ssh,
)


@pytest.fixture(
    params=[
        "bare-path",
        "bare-http",
        "bare-http-login",
        "bare-ssh",
        *(kind for kind in FORGES if kind != "bare"),
    ]
)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    author = make_repository(tmp_path / "author", {"README": "one\n", "a.txt": "a\n"})
    own = make_bare(tmp_path / "own.git")
    kind = request.param
    if not kind.startswith("bare"):
        make_bare_clone(author, tmp_path / "served" / "acme" / "widgets.git")
        with serve_forge(make_server(kind, tmp_path / "served")) as server:
            yield await site_at(kind, server, author, own)
        assert server.wrong == []
        return
    remote = make_bare_clone(author, tmp_path / "served" / "the project.git")
    way = kind.removeprefix("bare-")
    if way == "path":
        yield Site(str(remote), remote, author, own, Git())
    elif way == "ssh":
        if find_sshd() is None:
            pytest.skip("sshd is not installed: install openssh-server to run this")
        with serve_ssh(tmp_path / "ssh") as server:
            settings = GitSettings(ssh_key=server.key, ssh_known_hosts=server.known_hosts)
            yield Site(server.url(remote), remote, author, own, Git(settings))
    else:
        login = ("robot", "s3cret/@:x") if way == "http-login" else None
        with serve_http(tmp_path / "served", login) as server:
            logins = {f"127.0.0.1:{server.port}": Login(*login)} if login else {}
            git = Git(GitSettings(logins=logins))
            yield Site(server.url("the%20project.git"), remote, author, own, git)


@pytest.fixture
async def forge(site: Site) -> AsyncIterator[Forge]:
    yield FORGES[site.kind](site.git, site.access)
    await site.access.close()


async def test_publish_is_repeatable_and_leaves_the_base(forge: Forge, site: Site) -> None:
    base = branches_of(site.remote)["main"]
    commit = site.change("b.txt", "b\n")
    first = await publish(forge, site, commit)
    assert first == await publish(forge, site, commit)
    assert branches_of(site.remote) == {"main": base, BRANCH: commit}


async def test_publish_never_overwrites(forge: Forge, site: Site) -> None:
    theirs = site.change("b.txt", "theirs\n")
    await publish(forge, site, theirs)
    with pytest.raises(PushRefused, match="somebody else") as refused:
        await publish(forge, site, site.change("b.txt", "ours\n"))
    assert refused.value.code == "push-refused"
    assert branches_of(site.remote)[BRANCH] == theirs


def of_execution(site: Site, name: str, task_id: str, fence: int) -> str:
    """A commit as the harvest makes it, with the trailers that say whose it is."""
    git_in(site.author, "checkout", "-q", "--detach", "main")
    message = f"Fix\n\nPullyard-Fence: 1000\n\n{provenance(task_id, fence)}"
    commit = commit_files(site.author, {name: f"{fence}\n"}, message)
    git_in(site.author, "push", "-q", str(site.own), f"{commit}:refs/heads/harvest-{commit[:8]}")
    git_in(site.author, "checkout", "-q", "main")
    return commit


async def test_a_later_execution_takes_the_place_of_a_lost_one(forge: Forge, site: Site) -> None:
    lost, later = of_execution(site, "b.txt", "task_1", 7), of_execution(site, "b.txt", "task_1", 8)
    await publish(forge, site, lost)
    await publish(forge, site, later)
    assert branches_of(site.remote)[BRANCH] == later
    # The worker that was thought dead comes back and tries once more.
    with pytest.raises(PushRefused):
        await publish(forge, site, lost)
    assert branches_of(site.remote)[BRANCH] == later


class LateArrival(Remotes):
    """A push that is refused, and then an earlier one of the same commit arrives, whose sender was killed."""

    async def push(self, address: Address, git_dir: Path, push: Push) -> None:
        await super().push(address, git_dir, push)
        raise PushRefused("The branch is not where it was expected.")


@pytest.mark.parametrize("site", ["bare-path"], indirect=True)
async def test_a_push_that_an_earlier_one_of_the_same_commit_overtook(site: Site) -> None:
    forge, commit = BareForge(site.git, site.access), site.change("b.txt", "b\n")
    forge.remotes = LateArrival(site.git)
    assert (await publish(forge, site, commit)).commit == commit
    assert branches_of(site.remote)[BRANCH] == commit


async def test_another_task_takes_nobodys_place(forge: Forge, site: Site) -> None:
    theirs = of_execution(site, "b.txt", "task_1", 7)
    await publish(forge, site, theirs)
    with pytest.raises(PushRefused):
        await publish(forge, site, of_execution(site, "b.txt", "task_2", 8))
    assert branches_of(site.remote)[BRANCH] == theirs


async def test_merge_onto_an_unmoved_base_is_repeatable(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    await publish(forge, site, commit)
    result = await merge(forge, site, commit)
    assert branches_of(site.remote)["main"] == result
    # A forge makes a merge commit all the same.
    assert git_in(site.remote, "rev-parse", "main" if site.server is None else "main^2") == commit
    assert await merge(forge, site, commit) == result


async def test_merge_by_a_merge_commit_is_repeatable(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    await publish(forge, site, commit)
    elsewhere = site.advance("c.txt", "c\n")
    result = await merge(forge, site, commit)
    assert git_in(site.remote, "rev-parse", "main", "main^1", "main^2").split() == [result, elsewhere, commit]
    assert git_in(site.remote, "show", "main:b.txt") == "b"
    assert await merge(forge, site, commit) == result


async def test_a_conflict_names_the_files(forge: Forge, site: Site) -> None:
    commit = site.change("a.txt", "ours\n")
    await publish(forge, site, commit)
    elsewhere = site.advance("a.txt", "theirs\n")
    with pytest.raises(Conflict, match=r"a\.txt") as conflict:
        await merge(forge, site, commit)
    assert conflict.value.code == "merge-conflict"
    assert conflict.value.details["files"] == ["a.txt"]
    assert branches_of(site.remote)["main"] == elsewhere


async def test_merge_of_a_change_that_is_gone(forge: Forge, site: Site) -> None:
    commit = git_in(site.author, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "nowhere")
    with pytest.raises(Conflict) as conflict:
        await merge(forge, site, commit)
    assert conflict.value.code == "change-gone"


async def test_merge_into_a_branch_that_is_gone(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    if site.server is not None:
        # Where there is an API, the change itself says where it goes.
        await publish(forge, site, commit)
    with pytest.raises((BaseBranchMissing, Conflict), match=r"main|release"):
        await forge.merge(
            site.own, site.url, branch=BRANCH, base_branch="release", commit=commit, title="Merge"
        )


async def test_close_deletes_the_branch_and_is_repeatable(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    await publish(forge, site, commit)
    for _ in range(2):
        await forge.close(site.own, site.url, branch=BRANCH, commit=commit)
        assert list(branches_of(site.remote)) == ["main"]


async def test_close_keeps_a_branch_with_other_commits(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    more = site.change("c.txt", "c\n", start=commit)
    await publish(forge, site, more)
    with pytest.raises(Conflict) as conflict:
        await forge.close(site.own, site.url, branch=BRANCH, commit=commit)
    assert conflict.value.code == "branch-moved"
    assert branches_of(site.remote)[BRANCH] == more


async def test_a_repository_that_is_gone(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    site.remote.rename(site.remote.with_name("moved.git"))
    with pytest.raises(RepositoryUnreachable):
        await publish(forge, site, commit)


async def test_how_a_change_stands(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    await publish(forge, site, commit)
    now = await status(forge, site, commit)
    assert now is not None
    assert (now.state, now.commit, now.merged_commit) == (ChangeState.OPEN, commit, None)
    result = await merge(forge, site, commit)
    now = await status(forge, site, commit)
    assert now is not None
    assert (now.state, now.commit, now.merged_commit) == (ChangeState.MERGED, commit, result)


async def test_a_closed_change_says_so(forge: Forge, site: Site) -> None:
    commit = site.change("b.txt", "b\n")
    await publish(forge, site, commit)
    await forge.close(site.own, site.url, branch=BRANCH, commit=commit)
    now = await status(forge, site, commit)
    assert now is not None
    assert now.state is ChangeState.CLOSED


@pytest.fixture
def key(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    return tmp_path / "key"


@pytest.mark.parametrize("site", ["bare-path"], indirect=True)
async def test_a_merge_is_signed_and_says_by_whom(site: Site, key: Path) -> None:
    git = Git(GitSettings(author=Author("Yard", "yard@example.test"), signing_key=key))
    forge = FORGES["bare"](git, site.access)
    commit = site.change("b.txt", "b\n")
    await publish(forge, site, commit)
    site.advance("c.txt", "c\n")
    result = await merge(forge, site, commit)
    allowed = key.with_name("allowed")
    allowed.write_text(f"yard@example.test {key.with_suffix('.pub').read_text()}")
    words = ("-c", f"gpg.ssh.allowedSignersFile={allowed}", "log", "-1", "--format=%G? %GS %an %ae %cn %ce")
    said = git_in(site.remote, *words, result)
    assert said == "G yard@example.test Yard yard@example.test Yard yard@example.test"
