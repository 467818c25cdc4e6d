"""Tasks in containers, from the project's settings to the change, and what goes wrong on the way."""

import pytest

from pullyard.sandboxes.docker.container import ENVIRONMENT_LABEL
from tests.docker_engine import DockerEngine
from tests.repositories import branches_of
from tests.system import System

HANGS_ONCE = "[ -e ~/seen ] || { touch ~/seen; echo half >half.txt; echo reached; sleep 900; }"


async def in_containers(system: System, engine: DockerEngine, **sandbox: str | int) -> str:
    """A project whose tasks run in containers on a worker that has nothing else."""
    await system.start_worker(sandbox="docker", docker_image=engine.image)
    wish = {"backend": "docker", "image": engine.image, **sandbox}
    return await system.project(
        system.repository({"README.md": "hello\n"}),
        isolation={"sandbox": wish},
        setup_commands=[["sh", "-c", "echo set up in $HOME"]],
        verify_commands=[["sh", "-c", "grep -q done result.txt && ! ls ~/cache"]],
    )


def mark(system: System) -> str:
    return (system.worker_data / "mark").read_text().split()[0]


def containers(system: System, engine: DockerEngine) -> set[str]:
    return {one["Id"] for one in engine.containers(f"pullyard.worker={mark(system)}")}


async def kill_worker_at_work(system: System, engine: DockerEngine, project: str) -> set[str]:
    """The containers that it had. Its next start saves the work, and the task is done in a second try."""
    task = await system.task(project, f"{HANGS_ONCE}; echo done >result.txt")
    first = await system.until_execution(task, "implementing")
    await system.until_logged(first["id"], b"reached")
    had = containers(system, engine)
    assert had
    await system.kill_worker()
    await system.start_worker(sandbox="docker", docker_image=engine.image)
    assert (await system.ended(task))["state"] == "completed"
    assert (await system.executions(task))[0]["salvage_ref"]
    return had


@pytest.mark.slow
async def test_a_task_becomes_a_change_in_containers(docker_engine: DockerEngine, system: System) -> None:
    project = await in_containers(system, docker_engine)
    task = await system.ended(await system.task(project, "id -un; echo done >result.txt"))
    assert (task["state"], task["message"]) == ("completed", "")
    change = await system.change(task)
    assert change["receipt"]["commands"][0]["exit_code"] == 0
    assert change["receipt"]["sandbox"]["name"] == "docker"
    assert branches_of(system.root / "example.git")[change["branch"]] == change["commit"]
    assert b"agent" in await system.log(task["execution_id"])
    facts = (await system.executions(task))[0]["facts"]
    assert {"engine", "image", "create", "start"} <= set(facts["sandbox_start_steps_ms"])
    again = await system.ended(await system.task(project, "echo done >result.txt; echo more >more"))
    facts = (await system.executions(again))[0]["facts"]
    assert {"take", "attach"} <= set(facts["sandbox_start_steps_ms"]), "its containers waited"
    assert "create" not in facts["sandbox_start_steps_ms"]
    nowhere = {"sandbox": {"backend": "docker", "image": "127.0.0.1:9/none:1"}}
    other = await system.project(system.root / "example.git", isolation=nowhere)
    failed = await system.ended(await system.task(other, "true"))
    assert (failed["state"], failed["reason"]) == ("failed", "sandbox_unavailable")
    assert "The image 127.0.0.1:9/none:1 can't be pulled" in failed["message"]
    assert failed["message"].endswith("for example with 'docker load'.")
    assert await system.stop_worker() == 0
    assert containers(system, docker_engine) == set()


@pytest.mark.slow
async def test_a_projects_tasks_share_an_environment_that_verification_does_not(
    docker_engine: DockerEngine, system: System
) -> None:
    project = await in_containers(system, docker_engine, environment="reused")
    task = await system.ended(await system.task(project, "echo kept >~/cache; echo done >result.txt"))
    assert (task["state"], task["message"]) == ("completed", "")
    assert "set up in /home/agent" in (await system.log(task["execution_id"], "prepare")).decode()
    again = await system.task(project, "echo done >result.txt; cat ~/cache >>result.txt")
    assert (await system.ended(again))["state"] == "completed"
    before = await kill_worker_at_work(system, docker_engine, project)
    assert before.isdisjoint(containers(system, docker_engine)), "a container outlived its worker"
    query = {"filters": f'{{"label": ["{ENVIRONMENT_LABEL}={project}"]}}'}
    (volume,) = docker_engine.call("GET", "/volumes", params=query)["Volumes"]
    assert await system.stop_worker() == 0
    assert containers(system, docker_engine) == set()
    docker_engine.call("DELETE", f"/volumes/{volume['Name']}")


async def test_a_worker_without_an_engine_says_what_is_missing(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{system.root}/none.sock")
    worker = await system.start_worker(sandbox="docker")
    assert await worker.wait() != 0
    assert "No container engine listens at" in system.worker_log
    assert "start it, or set DOCKER_HOST" in system.worker_log
