"""Without a sandbox, by explicit choice: the job is done, and every log says what is missing."""

from tests.system import System


async def test_the_choice_is_explicit_and_said_in_every_log(system: System) -> None:
    await system.start_worker(sandbox="unsafe-directory")
    project = await system.project(system.repository(), verify_commands=[["test", "-e", "result.txt"]])
    task = await system.ended(await system.task(project, "cat {prompt_file}; echo done > result.txt"))
    assert task["state"] == "completed", task["message"]
    assert b"unsafe-directory" in await system.log(task["execution_id"], "prepare")
    assert b"Mend it" in await system.log(task["execution_id"])
    assert (await system.change(task))["receipt"]["sandbox"]["name"] == "unsafe-directory"
