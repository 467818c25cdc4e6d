"""The main job through the public surface: a task becomes a verified change, and the change is merged."""

from tests.repositories import branches_of, git_in
from tests.system import System

MAKEFILE = "test:\n\tgrep -q done result.txt\n"


async def test_a_task_becomes_a_verified_change(system: System) -> None:
    repository = system.repository({"Makefile": MAKEFILE, "result.txt": "todo\n"})
    await system.start_worker()
    project = await system.project(repository)
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    assert (task["state"], task["message"]) == ("completed", "")
    change = await system.change(task)
    assert change["receipt"]["commands"][0]["argv"] == ["make", "test"]
    assert change["receipt"]["commands"][0]["exit_code"] == 0
    assert change["receipt"]["commit"] == change["commit"]
    assert branches_of(repository)[change["branch"]] == change["commit"]
    assert branches_of(repository)["main"] == change["base_commit"]


async def test_a_change_is_merged_by_the_worker(system: System) -> None:
    repository = system.repository({"Makefile": MAKEFILE, "result.txt": "todo\n"})
    await system.start_worker()
    task = await system.ended(await system.task(await system.project(repository), "echo done > result.txt"))
    await system.coordinator.post(f"/changes/{task['change_id']}/merge", status=202)
    change = await system.change_in_state(task, "merged")
    assert branches_of(repository)["main"] == change["merged_commit"]
    assert git_in(repository, "show", "main:result.txt") == "done"


async def test_the_log_is_complete_and_in_order(system: System) -> None:
    repository = system.repository()
    await system.start_worker()
    project = await system.project(repository, verify_commands=[["true"]])
    task = await system.ended(await system.task(project, "seq 1 20000; echo x > new.txt"))
    log = await system.log(task["execution_id"])
    numbers = [line for line in log.splitlines() if line.isdigit()]
    assert numbers == [str(number).encode() for number in range(1, 20001)]
