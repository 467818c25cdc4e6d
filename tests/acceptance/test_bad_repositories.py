"""Repositories that are not there, empty or oddly named: a sentence that says what to do."""

import socket
from pathlib import Path

import pytest

from tests.bad_runs import Run, Wish, kept, nothing_left, run_all, untouched
from tests.repositories import (
    branches_of,
    commit_files,
    git_in,
    make_bare_clone,
    make_repository,
    serve_http,
)
from tests.system import System

ODD = "-o Pro xy='ä$(touch marker)`id`;名前\u202e ."
ODD_BRANCHES = ["ümläut/名前", "with'quote\"$(id);&", "a-/-dash", "@x"]


async def test_a_repository_that_can_not_be_reached_is_named(system: System) -> None:
    plain = system.root / "plain"
    plain.mkdir()
    (plain / "HEAD").write_text("not a repository\n")
    with socket.socket() as closed, serve_http(system.root) as server:
        closed.bind(("127.0.0.1", 0))
        addresses = [
            str(system.root / "nowhere.git"),
            str(plain),
            f"http://127.0.0.1:{closed.getsockname()[1]}/shop.git",
            server.url("nowhere.git"),
        ]
        await system.start_worker(slots="4")
        runs = await run_all(system, None, [Wish(repository=address) for address in addresses])
    for address, run in zip(addresses, runs, strict=True):
        assert run.ending == ("failed", "failed", "repository_unreachable"), run.task["message"]
        assert run.says(address, "check the"), run.task["message"]
        assert address.encode() in await system.log(run.execution["id"], "prepare")
    assert not list(system.worker_data.glob("mirrors/*/repository.git"))
    await nothing_left(system)


async def test_a_repository_without_commits_says_so(system: System) -> None:
    empty = system.root / "empty.git"
    empty.mkdir()
    git_in(empty, "init", "-q", "--bare")
    unborn = make_repository(system.root / "unborn")
    await system.start_worker(slots="2")
    wishes = [Wish(repository=place) for place in (empty, unborn)]
    wishes += [Wish(repository=empty, task={"base_branch": "main"})]
    for run in await run_all(system, None, wishes):
        assert run.ending == ("failed", "failed", "repository_empty"), run.task["message"]
        assert run.says("no commits", "push"), run.task["message"]
    await nothing_left(system)


async def test_a_missing_base_branch_names_those_that_exist(system: System) -> None:
    repository = system.repository()
    git_in(repository, "branch", "stable")
    headless = system.repository(name="headless")
    for name in ("one", "two"):
        git_in(headless, "branch", name)
    git_in(headless, "symbolic-ref", "HEAD", "refs/heads/gone")
    git_in(headless, "branch", "-D", "main")
    before = branches_of(repository)
    await system.start_worker(slots="3")
    wishes = [
        Wish(task={"base_branch": "releas"}),
        Wish(project={"default_branch": "releas"}),
        Wish(repository=headless),
    ]
    by_task, by_project, without = await run_all(system, repository, wishes)
    for run in (by_task, by_project, without):
        assert run.ending == ("failed", "failed", "base_branch_missing"), run.task["message"]
    assert by_task.says("'releas'", "main", "stable"), by_task.task["message"]
    assert by_project.says("'releas'", "main", "stable"), by_project.task["message"]
    assert without.says("no default branch", "one", "two"), without.task["message"]
    assert untouched(repository, before)
    await nothing_left(system)


def odd_repository(system: System) -> Path:
    """Its path, its branches and its files have every kind of name that a shell would stumble on."""
    work = make_repository(system.root / "odd-work", {"-f": "dash\n", "naïve 名前.txt": "x\n"})
    for branch in ODD_BRANCHES:
        git_in(work, "branch", "--", branch)
    (system.root / "-dir ü $(id)").mkdir()
    return make_bare_clone(work, system.root / "-dir ü $(id)" / "-ré po'\"; 名.git")


def is_delivered(repository: Path, run: Run, change: dict[str, object]) -> bool:
    assert run.ending == ("completed", "succeeded", None), run.task["message"]
    branch = str(change["branch"])
    return (
        branch.isascii()
        and branch.startswith("pullyard/")
        and git_in(repository, "show", f"{branch}:-new ü") == "new"
    )


async def test_odd_names_are_only_names(system: System) -> None:
    repository = odd_repository(system)
    await system.start_worker(slots="4")
    wishes = [
        Wish("echo new > './-new ü'", {"name": ODD + str(number)}, {"title": ODD, "base_branch": branch})
        for number, branch in enumerate([*ODD_BRANCHES, "main"])
    ]
    before = branches_of(repository)
    runs = await run_all(system, repository, wishes)
    changes = [await system.change(run.task) for run in runs]
    assert all(is_delivered(repository, *pair) for pair in zip(runs, changes, strict=True))
    assert untouched(repository, {**before, **{change["branch"]: change["commit"] for change in changes}})
    assert [run.task["title"] for run in runs] == [ODD] * len(runs)
    await system.coordinator.post(f"/changes/{runs[0].task['change_id']}/merge", status=202)
    merged = await system.change_in_state(runs[0].task, "merged")
    assert branches_of(repository)[ODD_BRANCHES[0]] == merged["merged_commit"]
    await nothing_left(system)


async def test_a_repository_that_refuses_the_push_is_quoted(system: System) -> None:
    repository = system.repository()
    hook = repository / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho only on Mondays >&2\nexit 1\n")
    hook.chmod(0o755)
    before = branches_of(repository)
    await system.start_worker()
    (run,) = await run_all(system, repository, [Wish()])
    assert run.ending == ("failed", "failed", "push_refused")
    assert run.says("refused the push", "only on Mondays"), run.task["message"]
    assert kept(system, run, "result.txt") == "done\n"
    assert untouched(repository, before)
    await nothing_left(system)


async def test_an_http_repository_with_an_odd_path_is_served(system: System) -> None:
    make_bare_clone(make_repository(system.root / "work", {"a.txt": "a\n"}), system.root / "-ü po.git")
    commit_files(make_repository(system.root / "other"), {"a": "a"})
    with serve_http(system.root) as server:
        await system.start_worker()
        address = server.url("-%C3%BC%20po.git")
        (run,) = await run_all(system, None, [Wish("echo b > a.txt", repository=address)])
    assert run.ending == ("completed", "succeeded", None), run.task["message"]
    change = await system.change(run.task)
    assert git_in(system.root / "-ü po.git", "show", f"{change['branch']}:a.txt") == "b"


@pytest.mark.attack("git: addresses of other protocols", "requests: address of a repository")
@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("/projects", {"name": "p", "repository": "-oProxyCommand=id"}),
        ("/projects", {"name": "p", "repository": "ext::sh -c id"}),
        ("/projects", {"name": "p", "repository": "no such thing"}),
        ("/projects", {"name": "p", "repository": "./here"}),
        ("/projects", {"name": "p", "repository": "~no-such-account/shop"}),
        ("/projects", {"name": "p", "repository": "/srv/a.git", "default_branch": "-D"}),
        ("/projects", {"name": "p", "repository": "/srv/a.git", "agent": {"name": "nobody"}}),
        ("/projects", {"name": "p\0", "repository": "/srv/a.git"}),
        ("/projects/{project}/tasks", {"title": "x", "base_branch": "--upload-pack=id"}),
        ("/projects/{project}/tasks", {"title": "x", "base_branch": "a..b"}),
        ("/projects/{project}/tasks", {"title": "x\0"}),
        ("/projects/{project}/tasks", {"title": "  "}),
        ("/projects/{project}/tasks", {"title": "x", "agent": {"name": "nobody"}}),
        ("/projects/{project}/tasks", {"title": "x", "agent": {"name": "command"}}),
    ],
)
async def test_names_that_can_not_be_are_refused_at_once(
    system: System, path: str, wish: dict[str, object]
) -> None:
    project = await system.project("/srv/example.git")
    answer = await system.coordinator.http.post("/api/v1" + path.format(project=project), json=wish)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
