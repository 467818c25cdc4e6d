"""A task in a container of the project's own image, from the repository's files to the change."""

import json

import pytest

from pullyard.sandboxes.protocol import ContainerSettings
from tests.docker_engine import DockerEngine
from tests.system import System

DEVCONTAINER = {
    "build": {"dockerfile": "Dockerfile", "context": ".."},
    "containerEnv": {"FLAVOUR": "vanilla"},
    "postCreateCommand": "echo set up with $FLAVOUR",
    "runArgs": ["--privileged"],
}


@pytest.fixture
def engine(docker_engine: DockerEngine) -> DockerEngine:
    """Has the image that a worker measures its containers with."""
    repository, _, tag = ContainerSettings().image.rpartition(":")
    name = {"repo": repository, "tag": tag}
    docker_engine.call("POST", f"/images/{docker_engine.image}/tag", params=name)
    return docker_engine


async def project_with(system: System, dockerfile: str) -> str:
    files: dict[str, str | bytes] = {
        "tool": "#!/bin/sh\necho from the image\n",
        ".devcontainer/Dockerfile": dockerfile,
        ".devcontainer/devcontainer.json": json.dumps(DEVCONTAINER),
    }
    isolation = {"sandbox": {"backend": "docker"}}
    verify = [["sh", "-c", "tool && grep -qx vanilla result.txt"]]
    return await system.project(system.repository(files), verify_commands=verify, isolation=isolation)


@pytest.mark.slow
async def test_a_task_runs_in_the_image_that_its_repository_describes(
    engine: DockerEngine, system: System
) -> None:
    await system.start_worker(sandbox="docker")
    dockerfile = f"FROM {engine.image}\nCOPY tool /usr/bin/tool\nRUN chmod 755 /usr/bin/tool\n"
    project = await project_with(system, dockerfile)
    task = await system.ended(await system.task(project, "tool; echo $FLAVOUR > result.txt"))
    assert task["state"] == "completed", task["message"]
    log = (await system.log(task["execution_id"], "prepare")).decode()
    assert "ignored runArgs" in log
    assert "Step 3 of 3, line 3: RUN chmod 755 /usr/bin/tool" in log
    assert "set up with vanilla" in log
    assert b"from the image" in await system.log(task["execution_id"])


@pytest.mark.slow
async def test_a_build_that_fails_is_the_tasks_sentence(engine: DockerEngine, system: System) -> None:
    await system.start_worker(sandbox="docker")
    project = await project_with(system, f"FROM {engine.image}\nRUN echo one\nRUN no-such-program\n")
    task = await system.ended(await system.task(project, "true"))
    assert task["state"] == "failed"
    assert "Dockerfile: line 3 (RUN no-such-program) failed" in task["message"]
