"""What is said on a forge and what its tests find, as every forge with an API must tell it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pullyard.forges import api
from pullyard.forges.errors import ForgeRefused
from pullyard.forges.feedback import MOST_ASKED
from pullyard.forges.pages import MOST_SMALLER
from pullyard.forges.protocol import Forge
from pullyard.forges.registry import FORGES
from pullyard.protocol.feedback import MOST_ISSUES, MOST_REMARKS, REMARKS_CHARACTERS, Heed, Remark, RemarkKind
from tests.conformance.test_forges_api import pattern, site
from tests.forges.server import OWN, REASON, Asked, ForgeServer, Spoken
from tests.forges.sites import BRANCH, Site, publish
from tests.repositories import branches_of

__all__ = ["pattern", "site"]
EVERYTHING = Heed(members=True, command="/pullyard", reviews=True, checks=True)
MARK = "exec_06dz3m8k2c9v4x7q1w5t8y0n2b"
REPLIED = "/(replies|notes|comments)$"


@pytest.fixture
async def forge(site: Site) -> AsyncIterator[Forge]:
    made = FORGES[site.kind](site.git, site.access)
    await publish(made, site, branches_of(site.own)["harvest"])
    yield made
    await site.access.close()


@pytest.fixture
def server(site: Site) -> ForgeServer:
    assert site.server is not None
    return site.server


async def feedback(forge: Forge, site: Site, heed: Heed = EVERYTHING) -> list[Remark]:
    commit = branches_of(site.own)["harvest"]
    return await forge.feedback(site.url, branch=BRANCH, commit=commit, heed=heed)


async def test_remarks_at_lines_are_told_with_their_place(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    server.changes[0].spoken = [Spoken("ada", "Say it twice.", path="b.txt", line=7)]
    [remark] = await feedback(forge, site)
    assert (remark.kind, remark.text) == (RemarkKind.COMMENT, "Say it twice.")
    assert (remark.path, remark.line, remark.author) == ("b.txt", 7, "ada")
    assert remark.url is not None
    assert server.host in remark.url
    # The name is the same every time, and what is known is told no more.
    assert [one.key for one in await feedback(forge, site)] == [remark.key]
    assert await feedback(forge, site, heed_of(known=[remark.key])) == []


@pytest.mark.parametrize("site", ["github"], indirect=True)
async def test_what_moves_to_the_next_page_meanwhile_is_told_once(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    change = server.changes[0]
    change.spoken = [Spoken("mallory", "No.") for _ in range(99)]
    change.spoken.insert(0, Spoken("ada", "Say it twice."))
    answer = server.answer

    def moving(asking: ForgeServer, asked: Asked) -> tuple[int, Any]:
        if asked.path.endswith("/pulls/1/comments") and asked.query["page"] == "2":
            change.spoken.append(Spoken("mallory", "Newer."))
        return answer(asking, asked)

    server.answer = moving
    assert [one.text for one in await feedback(forge, site)] == ["Say it twice."]


def heed_of(**other: Any) -> Heed:
    wish = {"members": True, "command": "/pullyard", "reviews": True, "checks": True}
    return Heed(**(wish | other))


async def test_a_remark_is_answered_in_its_own_thread_once(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    change, said = server.changes[0], f"Done (`{MARK}`)."
    change.spoken = [Spoken("ada", "Say it twice."), Spoken("ada", "Mind the README.")]
    change.comments, change.speakers = ["/pullyard And well."], {0: "ada"}
    told = await feedback(forge, site)
    [page] = [one.url for one in told if one.text == "Mind the README." and one.url]
    for _ in range(2):
        await forge.reply(site.url, branch=BRANCH, pages={page}, text=said, mark=MARK)
    # Gitea's API knows no replies.
    assert change.replies == ({} if site.kind == "gitea" else {1: [said]})
    assert change.comments == ["/pullyard And well."]
    assert await feedback(forge, site) == told


@pytest.mark.parametrize("site", ["github", "gitlab", "bitbucket"], indirect=True)
async def test_a_remark_that_takes_no_answer_leaves_the_others_theirs(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    change, said = server.changes[0], f"Done (`{MARK}`)."
    change.spoken = [Spoken("ada", f"Remark {number}.") for number in range(3)]
    pages = {one.url for one in await feedback(forge, site) if one.url}
    server.fault("POST", REPLIED, 404)
    server.fault("POST", REPLIED, done=True)
    with pytest.raises(ForgeRefused):
        await forge.reply(site.url, branch=BRANCH, pages=pages, text=said, mark=MARK)
    # One answer was lost, and is said once all the same.
    assert change.replies == {1: [said], 2: [said]}


async def test_a_review_that_asks_for_changes_says_what(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    server.changes[0].spoken = [
        Spoken("ada", "Not so.", kind="review"),
        Spoken("ada", "How nice.", kind="remark"),
        Spoken("ada", "Do it.", kind="task"),
    ]
    told = [(one.kind, one.text) for one in await feedback(forge, site)]
    kinds = {
        "gitlab": [],
        "bitbucket": [(RemarkKind.COMMENT, "Do it.")],
    }
    assert told == kinds.get(site.kind, [(RemarkKind.REVIEW, "Not so.")])


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_strangers_are_not_heard(forge: Forge, site: Site, server: ForgeServer) -> None:
    change = server.changes[0]
    change.spoken = [Spoken(who, f"By {who}.") for who in ("mallory", "grace", "ada")]
    change.comments, change.speakers = ["/pullyard do harm"], {0: "mallory"}
    assert [one.text for one in await feedback(forge, site)] == ["By ada."]
    # Whom the project names is heard, whatever the forge says of them; and without members nobody else.
    named = await feedback(forge, site, heed_of(people=["Grace"], members=False))
    assert [one.text for one in named] == ["By grace."]


async def test_a_plain_comment_counts_by_the_word_of_command(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    change = server.changes[0]
    change.comments = ["Thanks!", "/pullyard say it twice", "/pullyardish", "/pullyard"]
    change.speakers = dict.fromkeys(range(4), "ada")
    assert [one.text for one in await feedback(forge, site)] == ["say it twice"]


async def test_what_is_ours_or_resolved_does_not_count(forge: Forge, site: Site, server: ForgeServer) -> None:
    change = server.changes[0]
    change.speakers = dict.fromkeys(range(2), "ada")
    change.comments = [
        f"/pullyard said\n\nMade by Pullyard itself for task 1 of x (`{MARK}`).",
        f"/pullyard but why?\n> Made by Pullyard itself for task 1 of x (`{MARK}`).",
    ]
    change.spoken = [Spoken("ada", "Done already.", resolved=True)]
    told = [one.text for one in await feedback(forge, site)]
    # GitHub's interface for programs does not tell what is resolved.
    assert told[: 1 if site.kind == "github" else 0] == (["Done already."] if site.kind == "github" else [])
    assert told[-1].startswith("but why?")
    assert len(told) == (2 if site.kind == "github" else 1)


async def test_failing_checks_are_one_remark_of_their_commit(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    change = server.changes[0]
    change.checks = ["failing", "pending"]
    assert await feedback(forge, site) == []
    change.checks = ["passing", "failing", "failing"]
    [remark] = await feedback(forge, site)
    assert (remark.kind, remark.key) == (RemarkKind.CHECKS, f"checks-{branches_of(site.own)['harvest']}")
    assert "check 1" in remark.text
    assert "check 0" not in remark.text
    assert remark.text.count(REASON) == 2
    assert "\x1b" not in remark.text
    assert await feedback(forge, site, heed_of(known=[remark.key])) == []
    assert await feedback(forge, site, heed_of(checks=False)) == []


@pytest.mark.parametrize("site", ["gitlab"], indirect=True)
async def test_logs_that_not_everybody_may_read_are_left_alone(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    server.changes[0].checks, server.logs = ["failing"], False
    [remark] = await feedback(forge, site)
    assert "check 0" in remark.text
    assert REASON not in remark.text
    assert not [one for one in server.asked if one.path.endswith("/trace")]


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_floods_and_rubbish_are_bounded(forge: Forge, site: Site, server: ForgeServer) -> None:
    change = server.changes[0]
    change.spoken = [Spoken("mallory", "x" * 900) for _ in range(30)]
    change.spoken += [Spoken("ada", f"{number} \x00\ud800 {'y' * 9_000}", path="a\nb") for number in range(9)]
    change.spoken += [Spoken("ada", f"{number}") for number in range(9, 30)]
    seen: list[str] = []
    while told := await feedback(forge, site, heed_of(known=seen)):
        assert len(told) <= MOST_REMARKS
        assert sum(len(one.text) for one in told) <= REMARKS_CHARACTERS
        assert all("\x00" not in one.text and one.path in ("a b", "result.txt") for one in told)
        seen += [one.key for one in told]
    assert len(seen) == len(set(seen)) == 30


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_long_words_hide_nobody_elses(forge: Forge, site: Site, server: ForgeServer) -> None:
    change = server.changes[0]
    change.comments = ["x" * (9 << 20), *["y" * (1 << 20)] * 8, "/pullyard say it"]
    change.speakers = {**dict.fromkeys(range(9), "mallory"), 9: "ada"}
    change.spoken = [
        Spoken("mallory", "z" * (9 << 20), kind="remark"),
        Spoken("ada", "Not so.", kind="review"),
    ]
    told = [one.text for one in await feedback(forge, site)]
    assert told == (["Not so.", "say it"] if site.kind in ("github", "gitea") else ["say it"])
    await forge.comment(site.url, branch=BRANCH, text="More, by exec_1.", mark="exec_1")
    await forge.comment(site.url, branch=BRANCH, text="More, by exec_1.", mark="exec_1")
    assert change.comments[10:] == ["More, by exec_1."]


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_many_words_do_not_hide_the_newest(forge: Forge, site: Site, server: ForgeServer) -> None:
    change = server.changes[0]
    change.comments = [*["x"] * 1050, "/pullyard say it"]
    change.speakers = {**dict.fromkeys(range(1050), "mallory"), 1050: "ada"}
    assert [one.text for one in await feedback(forge, site)] == ["say it"]


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize("site", ["gitea"], indirect=True)
async def test_many_strangers_do_not_flood_the_forge_with_questions(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    change = server.changes[0]
    change.comments = ["/pullyard say it"] * 90
    change.speakers = {number: f"mallory{number}" for number in range(90)}
    assert await feedback(forge, site) == []
    assert sum(one.path.endswith("/permission") for one in server.asked) == MOST_ASKED


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize("site", ["github"], indirect=True)
async def test_long_words_do_not_flood_the_forge_with_questions(
    forge: Forge, site: Site, server: ForgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "ANSWER_BYTES", 10_000)
    server.changes[0].comments = ["x" * 20_000] * 150
    asked = len(server.asked)
    assert await feedback(forge, site) == []
    assert len(server.asked) - asked < 2 * MOST_SMALLER


async def test_a_branch_that_somebody_moved_tells_nothing(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    server.changes[0].spoken = [Spoken("ada", "Say it twice.")]
    heed = EVERYTHING
    assert await forge.feedback(site.url, branch=BRANCH, commit="0" * 40, heed=heed) == []
    server.changes[0].state = "closed"
    assert await feedback(forge, site) == []


async def test_what_has_not_changed_is_not_sent_again(forge: Forge, site: Site, server: ForgeServer) -> None:
    server.changes[0].spoken = [Spoken("ada", "Say it twice.")]
    first = await feedback(forge, site)
    asked, spared = len(server.asked), server.spared
    assert await feedback(forge, site) == first
    traces = sum(one.path.endswith("/trace") for one in server.asked[asked:])
    assert server.spared - spared == len(server.asked) - asked - traces
    server.changes[0].spoken[0].text = "Say it thrice."
    assert [one.text for one in await feedback(forge, site)] == ["Say it thrice."]


async def test_labelled_issues_of_heeded_people(forge: Forge, site: Site, server: ForgeServer) -> None:
    ours = server.issue("ada", title="Say\nit", body="Well.")
    server.issue("mallory", labelled_by="mallory")
    server.issue("mallory", title="Found by a stranger")
    server.issue("ada", label="other")
    server.issue("ada", state="closed")
    heed = Heed(members=True)
    found = await forge.issues(site.url, label="pullyard", heed=heed)
    # Bitbucket does not tell who put an issue into its component.
    strange = [] if site.kind == "bitbucket" else ["Found by a stranger"]
    assert [one.title for one in found] == [*strange, "Say it"]
    assert (found[-1].number, found[-1].text, found[-1].author) == (ours.number, "Well.", "ada")
    known = Heed(members=True, known=[str(one.number) for one in found])
    assert await forge.issues(site.url, label="pullyard", heed=known) == []


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_who_labelled_an_issue_last_counts(forge: Forge, site: Site, server: ForgeServer) -> None:
    long_since = ["mallory"] * 150
    server.issue("mallory", title="Given last", label="PullYard", labelled_before=long_since)
    server.issue("mallory", title="Taken", labelled_by="mallory", labelled_before=["ada", *long_since])
    endless = ["ada"] * 1_100
    server.issue("mallory", title="Nobody knows", labelled_by="mallory", labelled_before=endless)
    found = await forge.issues(site.url, label="pullyard", heed=Heed(members=True))
    assert [one.title for one in found] == ([] if site.kind == "bitbucket" else ["Given last"])


@pytest.mark.parametrize("site", ["gitlab"], indirect=True)
async def test_what_is_confidential_does_not_count(forge: Forge, site: Site, server: ForgeServer) -> None:
    server.issue("ada", title="Confidential: the key is 7")
    server.changes[0].comments = ["/pullyard mind what is internal"]
    server.changes[0].speakers = {0: "ada"}
    assert await forge.issues(site.url, label="pullyard", heed=Heed(members=True)) == []
    assert await feedback(forge, site) == []


@pytest.mark.attack("words: titles, branches and Markdown")
async def test_strangers_issues_do_not_flood_the_forge_with_questions(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    server.issue("ada", title="Ours")
    for _ in range(60):
        server.issue("mallory", labelled_by="mallory")
    asked = len(server.asked)
    found = await forge.issues(site.url, label="pullyard", heed=Heed(members=True))
    assert [one.title for one in found] == ["Ours"]
    assert len(server.asked) - asked < 30


@pytest.mark.attack("words: titles, branches and Markdown")
@pytest.mark.parametrize("site", ["gitlab"], indirect=True)
async def test_strangers_newer_issues_hide_no_older_one(
    forge: Forge, site: Site, server: ForgeServer
) -> None:
    server.issue("mallory", title="Found by a stranger")
    for _ in range(35):
        server.issue("mallory", labelled_by="mallory")
    found: list[str] = []
    for _ in range(4):
        found += [one.title for one in await forge.issues(site.url, label="pullyard", heed=heed_of())]
    assert "Found by a stranger" in found
    # Those that are known already may be more than a page.
    more = [str(server.issue("ada").number) for _ in range(100)]
    heed = heed_of(people=["mallory"], known=more)
    assert len(await forge.issues(site.url, label="pullyard", heed=heed)) == MOST_ISSUES


async def test_an_issue_is_told_once(forge: Forge, site: Site, server: ForgeServer) -> None:
    issue = server.issue("ada")
    server.fault("POST", "/(comments|notes)$", done=True)
    for _ in range(2):
        await forge.tell_issue(site.url, number=issue.number, text="See task_1.", mark="task_1")
    assert (issue.comments, server.changes[0].comments) == (["See task_1."], [])
    assert OWN not in server.members
