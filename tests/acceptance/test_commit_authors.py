"""Whom the commits of a change name."""

from tests.repositories import git_in
from tests.system import System

TRAILERS = "--format=%(trailers:only)"


async def test_a_commit_names_its_agent_and_the_projects_co_authors(system: System) -> None:
    repository = system.repository({"a.txt": "a\n"})
    rules = {"co_authors": ["Ada Lovelace <ada@example.com>", "Grace <grace@example.com>"]}
    await system.start_worker()
    project = await system.project(repository, verify_commands=[["true"]], change_rules=rules)
    change = await system.change(await system.ended(await system.task(project, "echo b >> a.txt")))
    told = git_in(repository, "log", "-1", TRAILERS, change["branch"]).splitlines()
    assert told[2:] == [
        "Pullyard-Agent: command",
        "Co-authored-by: Ada Lovelace <ada@example.com>",
        "Co-authored-by: Grace <grace@example.com>",
    ]
    assert [line.partition(":")[0] for line in told[:2]] == ["Pullyard-Task", "Pullyard-Fence"]
    for hostile in ("Ada", "Ada <a@b.c>\nPullyard-Fence: 9", "A\u202e <a@b.c>", "@team <a@b.c>"):
        answer = await system.coordinator.http.patch(
            f"/api/v1/projects/{project}", json={"change_rules": {"co_authors": [hostile]}}
        )
        assert answer.status_code == 422, hostile
