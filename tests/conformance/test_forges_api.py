"""What every forge with an API must do: drafts, words, people, refusals, limits and lost answers."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pullyard.forges import api
from pullyard.forges.access import Access
from pullyard.forges.errors import ForgeBusy, ForgeRefused, ForgeUnsure
from pullyard.forges.protocol import Checks, Forge
from pullyard.forges.registry import FORGES
from pullyard.git.errors import RepositoryUnreachable
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import Conflict, RemoteFailure
from tests.forges.kinds import access_to, make_server
from tests.forges.server import TOKEN, Change, ForgeServer, serve_forge
from tests.forges.sites import BRANCH, Site, merge, publish, site_at, status
from tests.repositories import branches_of, commit_files, git_in, make_bare_clone, make_repository

OPENED = {
    "github": "/pulls$",
    "gitea": "/pulls$",
    "gitlab": "/merge_requests$",
    "bitbucket": "/pullrequests$",
}
"""Where changes are listed and opened."""
ROOT = "^/(api|2)"


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once and copied for each test: an author, the served repository, and the worker's own."""
    place = tmp_path_factory.mktemp("pattern")
    author = make_repository(place / "author", {"README": "one\n", "a.txt": "a\n"})
    make_bare_clone(author, place / "served" / "acme" / "widgets.git")
    git_in(place, "init", "-q", "--bare", "own.git")
    git_in(author, "checkout", "-q", "--detach", "main")
    commit_files(author, {"b.txt": "b\n"})
    git_in(author, "push", "-q", str(place / "own.git"), "HEAD:refs/heads/harvest")
    git_in(author, "checkout", "-q", "main")
    return place


@pytest.fixture(params=[kind for kind in FORGES if kind != "bare"])
async def site(request: pytest.FixtureRequest, tmp_path: Path, pattern: Path) -> AsyncIterator[Site]:
    place = shutil.copytree(pattern, tmp_path / "place")
    with serve_forge(make_server(request.param, place / "served")) as server:
        yield await site_at(request.param, server, place / "author", place / "own.git")
    assert server.wrong == []


@pytest.fixture
def server(site: Site) -> ForgeServer:
    assert site.server is not None
    return site.server


@pytest.fixture
async def forge(site: Site) -> AsyncIterator[Forge]:
    yield FORGES[site.kind](site.git, site.access)
    await site.access.close()


@pytest.fixture
async def commit(site: Site) -> str:
    return branches_of(site.own)["harvest"]


def is_draft(server: ForgeServer, site: Site) -> bool:
    """Some forges say so by the title alone."""
    marks = {"gitlab": "Draft: ", "gitea": "WIP: "}
    [change] = server.changes
    return change.title.startswith(marks[site.kind]) if site.kind in marks else change.draft


async def test_a_change_is_a_draft_until_it_is_merged(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    remote = await publish(forge, site, commit)
    assert is_draft(server, site)
    assert remote.url is not None
    assert remote.url.startswith(f"http://{server.host}/acme/widgets/")
    assert remote.url.endswith("/1")
    result = await merge(forge, site, commit)
    assert not is_draft(server, site)
    assert git_in(site.remote, "log", "-1", "--format=%s", result) == "Merge it"


async def test_a_change_may_be_ready_at_once(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    await publish(forge, site, commit, draft=False)
    assert not is_draft(server, site)
    assert server.changes[0].title == "Fix"


async def test_a_second_publish_brings_the_words_up_to_date(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    first = await publish(forge, site, commit)
    again = await publish(forge, site, commit, title="Fix it all", body="Better.")
    [change] = server.changes
    assert (again.url, change.body, is_draft(server, site)) == (first.url, "Better.", True)
    assert change.title.endswith("Fix it all")
    asked = len(server.asked)
    await publish(forge, site, commit, title="Fix it all", body="Better.")
    # What is as it should be is not written again.
    assert len(server.asked) == asked + 1


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize("state", ["open", "closed", "merged"])
async def test_a_strangers_change_from_a_fork_that_is_gone_is_not_ours(
    forge: Forge, site: Site, server: ForgeServer, commit: str, state: str
) -> None:
    # The fork's branch was called as ours will be, and may even be at our commit.
    strange = server.create(BRANCH, "main", "Theirs", "Not ours.")
    strange.gone_fork, strange.state, strange.last_head = True, state, commit
    strange.merged_commit = commit if state == "merged" else None
    assert await status(forge, site, commit) is None
    remote = await publish(forge, site, commit)
    assert remote.url is not None
    assert remote.url.endswith("/2")
    await forge.comment(site.url, branch=BRANCH, text="By exec_1.", mark="exec_1")
    await forge.close(site.own, site.url, branch=BRANCH, commit=commit)
    assert [one.state for one in server.changes] == [state, "closed"]
    assert (strange.body, strange.comments) == ("Not ours.", [])
    # What GitHub publishes of its shapes leaves this one out.
    server.wrong = [one for one in server.wrong if site.kind != "github" or "head.repo" not in one]


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize("site", ["gitlab", "gitea", "bitbucket"], indirect=True)
async def test_changes_from_forks_hide_none_of_ours(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    def flood() -> None:
        numbers = range(len(server.changes) + 1, len(server.changes) + 111)
        server.changes += [
            Change(one, BRANCH, "main", "Theirs", "", gone_fork=True, last_head=commit) for one in numbers
        ]

    flood()
    remote = await publish(forge, site, commit)
    flood()
    assert remote.url is not None
    assert remote.url.endswith("/111")
    seen = await status(forge, site, commit)
    assert seen is not None
    assert (seen.state, seen.url) == (ChangeState.OPEN, remote.url)
    await forge.close(site.own, site.url, branch=BRANCH, commit=commit)
    seen = await status(forge, site, commit)
    assert seen is not None
    assert (seen.state, seen.url) == (ChangeState.CLOSED, remote.url)


async def test_an_ended_change_gets_a_successor(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    await publish(forge, site, commit)
    server.changes[0].state = "closed"
    assert (await publish(forge, site, commit)).url is not None
    assert [one.state for one in server.changes] == ["closed", "open"]
    now = await status(forge, site, commit)
    assert now is not None
    assert now.state is ChangeState.OPEN


async def test_people_and_labels(forge: Forge, site: Site, server: ForgeServer, commit: str) -> None:
    wish: dict[str, Any] = {"labels": ("bot",), "reviewers": ("ada",), "assignees": ("grace",)}
    for _ in range(2):
        remote = await publish(forge, site, commit, **wish)
    [change] = server.changes
    if site.kind == "bitbucket":
        assert (change.reviewers, len(remote.notes)) == (["ada"], 2)
        return
    assert (change.labels, change.reviewers, set(change.assignees)) == (["bot"], ["ada"], {"grace"})
    assert remote.notes == ()


async def test_who_is_not_there_is_told_and_holds_nothing_up(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    remote = await publish(forge, site, commit, reviewers=("nobody",))
    assert len(server.changes) == 1
    [note] = remote.notes
    assert "nobody" in note


async def test_a_lost_answer_leaves_one_change(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    server.fault("POST", OPENED[site.kind])
    server.fault("POST", OPENED[site.kind], 502)
    server.fault("POST", OPENED[site.kind], done=True)
    remote = await publish(forge, site, commit)
    assert len(server.changes) == 1
    assert remote.url is not None


async def test_an_opening_that_never_answers_ends(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    server.fault("POST", OPENED[site.kind], 500, times=99)
    with pytest.raises(ForgeUnsure):
        await publish(forge, site, commit)
    assert len(server.posts(OPENED[site.kind])) < 10


async def test_what_another_worker_opened_is_found(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    def open_it() -> None:
        server.create(BRANCH, "main", "Fix", "It.\n\nWell.")

    answer = server.answer
    server.answer = lambda one, asked: opened_meanwhile(one, asked, answer, open_it)
    remote = await publish(forge, site, commit)
    assert len(server.changes) == 1
    assert remote.url is not None


def opened_meanwhile(server: ForgeServer, asked: Any, answer: Any, open_it: Any) -> Any:
    if asked.method == "POST" and not server.changes:
        open_it()
    return answer(server, asked)


async def test_a_busy_forge_is_asked_again_after_the_time_it_names(
    site: Site, server: ForgeServer, commit: str
) -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    access = access_to(site.kind, server, wait)
    limited = {"message": "You have exceeded a secondary rate limit."}
    server.fault("GET", ROOT, 429, body=limited, headers={"Retry-After": "7"})
    server.fault("GET", ROOT, 403, body=limited)
    server.fault("GET", ROOT, 503)
    assert await status(FORGES[site.kind](site.git, access), site, commit) is None
    assert [round(one) for one in waits[:2]] == [7, 60]
    assert len(waits) == 3
    await access.close()


async def test_a_limit_of_an_hour_is_told(forge: Forge, site: Site, server: ForgeServer, commit: str) -> None:
    server.fault("GET", ROOT, 429, body={"message": "Slow"}, headers={"Retry-After": "3600"})
    for _ in range(2):
        # For so long, it is left alone.
        with pytest.raises(ForgeBusy, match=r"for 3[56]\d\d seconds"):
            await status(forge, site, commit)
    assert len(server.asked) == 1


@pytest.mark.parametrize("site", ["github"], indirect=True)
async def test_an_answer_that_takes_for_ever_is_not_waited_for(
    forge: Forge, site: Site, server: ForgeServer, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "ANSWER_SECONDS", 0.2)
    server.fault("GET", ROOT, 200, body=[], spaces=500)
    assert await status(forge, site, commit) is None
    assert len(server.asked) == 2


REFUSALS = [
    (401, "renew this worker's token"),
    (403, "the right to push and to open changes"),
    (404, "may see the repository"),
    (422, "look there"),
]


@pytest.mark.parametrize(("number", "remedy"), REFUSALS)
async def test_a_refusal_says_what_to_do(
    forge: Forge, site: Site, server: ForgeServer, commit: str, number: int, remedy: str
) -> None:
    said = {"message": f"No \x1b[31m{TOKEN} {'x' * 999}"}
    server.fault("GET", OPENED[site.kind], number, body=said)
    with pytest.raises(ForgeRefused, match=remedy) as refused:
        await status(forge, site, commit)
    assert refused.value.status == number
    assert TOKEN not in str(refused.value)
    assert "\x1b" not in str(refused.value)
    assert len(str(refused.value)) < 600


async def test_a_moved_repository_is_not_followed(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    elsewhere = {"Location": "http://169.254.169.254/latest"}
    server.fault("GET", ROOT, 301, headers=elsewhere)
    with pytest.raises(ForgeRefused, match="new address") as refused:
        await status(forge, site, commit)
    assert refused.value.code == "repository-moved"


@pytest.mark.parametrize("answer", [[{"number": "x"}], {"values": 3}, "no", [[[]]]])
async def test_an_answer_that_is_none_is_told(
    forge: Forge, site: Site, server: ForgeServer, commit: str, answer: Any
) -> None:
    server.fault("GET", OPENED[site.kind], 200, body=answer)
    with pytest.raises(RemoteFailure, match="not its API's"):
        await status(forge, site, commit)


async def test_a_token_that_is_wrong_pushes_nothing(site: Site, server: ForgeServer, commit: str) -> None:
    server.tokens = {"another"}
    forge = FORGES[site.kind](site.git, site.access)
    with pytest.raises(RepositoryUnreachable):
        await publish(forge, site, commit)
    assert list(branches_of(site.remote)) == ["main"]
    await site.access.close()


async def test_the_forges_own_rules_hold_back_a_merge(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    await publish(forge, site, commit)
    before = branches_of(site.remote)["main"]
    server.protected = "At least 1 approving review is required."
    with pytest.raises((Conflict, ForgeRefused)):
        await merge(forge, site, commit)
    assert branches_of(site.remote)["main"] == before
    assert server.changes[0].state == "open"


async def test_only_the_commit_that_was_looked_at_is_merged(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    await publish(forge, site, commit)
    more = site.change("c.txt", "c\n", start=commit)
    git_in(site.own, "push", "-q", str(site.remote), f"{more}:refs/heads/{BRANCH}")
    with pytest.raises(Conflict) as conflict:
        await merge(forge, site, commit)
    assert conflict.value.code == "branch-moved"
    assert server.changes[0].state == "open"


async def test_a_lost_answer_to_a_merge_is_found(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    await publish(forge, site, commit)
    server.fault("PUT", "/merge$", done=True)
    server.fault("POST", "/merge$", done=True)
    assert await merge(forge, site, commit) == branches_of(site.remote)["main"]


async def test_a_comment_is_said_once_for_each_mark(
    forge: Forge, site: Site, server: ForgeServer, commit: str
) -> None:
    await publish(forge, site, commit)
    server.changes[0].comments = [f"{number}" for number in range(120)]
    server.fault("POST", "/(comments|notes)$", done=True)
    server.fault("POST", "/(comments|notes)$", 502)
    for mark in ("exec_1", "exec_1", "exec_2"):
        await forge.comment(site.url, branch=BRANCH, text=f"More, by {mark}.", mark=mark)
    assert server.changes[0].comments[120:] == ["More, by exec_1.", "More, by exec_2."]


async def test_reviews_and_checks(forge: Forge, site: Site, server: ForgeServer, commit: str) -> None:
    await publish(forge, site, commit)
    [change] = server.changes
    seen: list[tuple[bool, Checks]] = []
    both = [("ada", "approved"), ("grace", "changes")]
    for reviews, checks in (([], []), (both[:1], ["passing"]), (both, ["pending"]), (both[1:], ["failing"])):
        change.reviews, change.checks = reviews, checks
        now = await status(forge, site, commit)
        assert now is not None
        seen.append((now.approved, now.checks))
    assert seen == [
        (False, Checks.NONE),
        (True, Checks.PASSING),
        (False, Checks.PENDING),
        (False, Checks.FAILING),
    ]


async def test_nothing_is_known_of_a_branch_without_a_change(forge: Forge, site: Site, commit: str) -> None:
    assert await status(forge, site, commit) is None


async def test_a_forge_without_a_token_is_not_asked(site: Site, server: ForgeServer, commit: str) -> None:
    access = access_to(site.kind, server, token=None)
    with pytest.raises(Exception, match=rf'forges\."{server.host}"\.token') as missing:
        await publish(FORGES[site.kind](site.git, access), site, commit)
    assert getattr(missing.value, "code", "") == "forge-not-configured"
    assert server.asked == []
    assert isinstance(access, Access)
