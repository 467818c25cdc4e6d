"""A repository is initialized: looked at, and offered a task list, without any model."""

from tests.repositories import branches_of, git_in
from tests.system import System


async def test_a_repository_is_looked_at_and_offered_a_task_list(system: System) -> None:
    await system.start_worker()
    repository = system.repository(
        {"app.py": "x = 1\n", "Makefile": "test:\n\tpython3 -c 'import app'\n", "AGENTS.md": "Be kind.\n"}
    )
    project = await system.project(repository)
    ended = await system.ended(await system.coordinator.post(f"/projects/{project}/initialize"))
    assert (ended["state"], ended["message"]) == ("completed", "")
    (execution,) = await system.executions(ended)
    assert execution["facts"]["repository"] == {
        "files": 3,
        "languages": [{"name": "Python", "files": 1}],
        "instructions": ["AGENTS.md"],
        "verify_commands": [["make", "test"]],
        "verify_source": "Makefile",
        "task_list": False,
    }
    change = await system.change(ended)
    assert [file["path"] for file in change["diffstat"]["files"]] == ["task_lists.md"]
    assert "Python (1 files)" in change["body"]
    assert change["receipt"]["passed"]
    text = git_in(repository, "show", f"{change['commit']}:task_lists.md")
    assert "make test" in text
    assert list(branches_of(repository)) != ["main"]


async def test_an_empty_repository_begins_with_an_empty_commit(system: System) -> None:
    await system.start_worker()
    empty = system.root / "empty.git"
    git_in(system.root, "init", "-q", "--bare", "-b", "main", str(empty))
    project = await system.project(empty)
    ended = await system.ended(await system.coordinator.post(f"/projects/{project}/initialize"))
    assert (ended["state"], ended["message"]) == ("completed", "")
    change = await system.change(ended)
    assert git_in(empty, "ls-tree", "--name-only", "main") == ""
    assert git_in(empty, "rev-parse", f"{change['commit']}^") == branches_of(empty)["main"]
    assert git_in(empty, "ls-tree", "--name-only", change["commit"]) == "task_lists.md"


async def test_what_was_found_is_offered_also_where_its_proof_fails(system: System) -> None:
    await system.start_worker()
    repository = system.repository({"Makefile": "test:\n\texit 3\n"})
    project = await system.project(repository)
    ended = await system.ended(await system.coordinator.post(f"/projects/{project}/initialize"))
    assert (ended["state"], ended["message"]) == ("completed", "")
    assert "Not passed" in (await system.change(ended))["body"]


async def test_a_repository_that_has_a_task_list_is_left_as_it_is(system: System) -> None:
    await system.start_worker()
    repository = system.repository({"task_lists.md": "- [ ] Do it\n"})
    project = await system.project(repository)
    ended = await system.ended(await system.coordinator.post(f"/projects/{project}/initialize"))
    assert (ended["state"], ended["change_id"]) == ("completed", None)
    (execution,) = await system.executions(ended)
    assert execution["facts"]["repository"]["task_list"]
    assert list(branches_of(repository)) == ["main"]
