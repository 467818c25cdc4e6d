"""The worker's own directory: no repository for tasks, and closed to other accounts."""

from tests.system import System


async def test_what_the_worker_keeps_is_closed_to_others_and_no_repository(system: System) -> None:
    await system.start_worker()
    project = await system.project(system.repository(), verify_commands=[["true"]])
    task = await system.ended(await system.task(project, "echo done > result.txt"))
    assert task["state"] == "completed", task["message"]
    assert system.worker_data.stat().st_mode & 0o077 == 0
    mirror = next(system.worker_data.glob("mirrors/*/repository.git"))
    link = system.root / "link"
    link.symlink_to(mirror)
    for place in (mirror, link):
        foreign = await system.project(place, verify_commands=[["true"]])
        refused = await system.ended(await system.task(foreign, "echo mine > result.txt"))
        assert "own directory" in refused["message"], refused
