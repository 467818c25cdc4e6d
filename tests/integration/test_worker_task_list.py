"""The worker's side of a task list: real git, and somebody else who pushes at the worst moment."""

import sys
from pathlib import Path

import pytest

from pullyard.git.errors import PushRefused
from pullyard.git.program import Git
from pullyard.lifecycle.change import ErrandKind
from pullyard.lifecycle.task_lists.parse import parse_task_list
from pullyard.protocol.errands import TaskListErrand, TaskListReport
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import Errand, RepositorySpec
from pullyard.worker.lease import Lease
from pullyard.worker.mirrors import Mirrors
from pullyard.worker.task_list import WRITE_TRIES, do_list_errand
from tests.repositories import commit_files, git_in, make_bare_clone, make_repository

LIST = "# Plan\n\n- [ ] One\n- [ ] Two\n"
ONE = parse_task_list(LIST).items[0].key

# Stands in for git: before each of the first pushes somebody else's commit is pushed.
RUDE = """\
import os, subprocess, sys
count, work = sys.argv[1], sys.argv[2]
arguments = sys.argv[3:]
if "push" in arguments:
    left = int(open(count).read())
    if left:
        open(count, "w").write(str(left - 1))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        for words in (["commit", "-q", "--allow-empty", "-m", "rude"], ["push", "-q", "origin", "main"]):
            who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
            subprocess.run(["git", "-C", work, *who, *words], env=clean, check=True, capture_output=True)
os.execvp("git", ["git", *arguments])
"""


class Site:
    def __init__(self, place: Path, rude_pushes: int = 0) -> None:
        self.work = make_repository(
            place / "work", {"docs/plan.md": LIST, "docs/other.md": "x\n", "a": "a\n"}
        )
        self.bare = make_bare_clone(self.work, place / "bare.git")
        git_in(self.work, "remote", "add", "origin", str(self.bare))
        (place / "count").write_text(str(rude_pushes))
        (place / "rude.py").write_text(RUDE)
        rude = (sys.executable, str(place / "rude.py"), str(place / "count"), str(self.work))
        self.git = Git(program=rude)
        self.mirrors = Mirrors(place / "mirrors", self.git, 1 << 30)
        self.lease = Lease()
        self.lease.renew(0, 1e12)

    async def do(self, path: str = "docs/plan.md", **wish: object) -> TaskListReport:
        errand = Errand(
            id="errand",
            fence=1,
            kind=ErrandKind.WRITE_TASK_LIST,
            repository=RepositorySpec(url=str(self.bare)),
            task_list=TaskListErrand(path=path, **wish),
        )
        return await do_list_errand(self.git, self.mirrors, self.lease, errand)

    def main(self, *words: str) -> str:
        return git_in(self.bare, *words)


async def test_items_are_checked_beside_every_other_file(tmp_path: Path) -> None:
    site = Site(tmp_path)
    before = site.main("ls-tree", "-r", "main").splitlines()
    found = await site.do(done={ONE: "merged", "t-gone": "merged"})
    assert found.text == LIST.replace("[ ] One", "[x] One\n  - status: merged")
    assert found.commit == site.main("rev-parse", "main")
    after = site.main("ls-tree", "-r", "main").splitlines()
    assert [line for line in after if "plan.md" not in line] == [
        line for line in before if "plan.md" not in line
    ]
    assert site.main("rev-list", "--count", "main") == "2"


async def test_again_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    first = await site.do(done={ONE: "merged"})
    again = await site.do(done={ONE: "merged"}, known_blob=first.blob)
    assert (again.commit, again.blob, again.text) == (first.commit, first.blob, None)
    assert site.main("rev-list", "--count", "main") == "2"


async def test_what_others_push_meanwhile_stays(tmp_path: Path) -> None:
    site = Site(tmp_path, rude_pushes=2)
    await site.do(done={ONE: "merged"})
    subjects = site.main("log", "--format=%s", "main").splitlines()
    assert subjects == ["Check 1 item off the task list", "rude", "rude", "First"]
    assert "- [x] One" in site.main("show", "main:docs/plan.md")


async def test_who_never_gets_through_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, rude_pushes=WRITE_TRIES + 1)
    with pytest.raises(PushRefused):
        await site.do(done={ONE: "merged"})
    assert "- [ ] One" in site.main("show", "main:docs/plan.md")


@pytest.mark.attack("paths: .., %2e, NUL, absolute")
async def test_only_a_plain_file_below_the_top_is_a_list(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.work / "link.md").symlink_to("/etc/passwd")
    commit_files(site.work, {}, "A link")
    git_in(site.work, "push", "-q", "origin", "main")
    for path in ("link.md", "docs", "../x", "/etc/passwd", "docs/../a", ".git/config", "", "a\nb", "."):
        with pytest.raises(RequestError):
            await site.do(path)
    for path in ("nothing.md", "a/b", "docs/plan.md/x", ":(glob)*"):
        assert (await site.do(path)).blob is None, path
