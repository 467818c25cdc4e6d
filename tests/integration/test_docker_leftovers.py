"""What a killed worker leaves on a container engine, and that its next start finds all of it."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.sandboxes.docker.container import ENVIRONMENT_LABEL, OWNER_LABEL, WORKER_LABEL
from pullyard.sandboxes.docker.engine import Engine
from pullyard.sandboxes.docker.leftovers import remove_leftovers
from tests.docker_engine import DockerEngine
from tests.sandbox_places import UID

KILLED = f"killed{os.getpid()}"
MARK = f"{WORKER_LABEL}={KILLED}"


@pytest.fixture
async def engine(docker_engine: DockerEngine) -> AsyncIterator[Engine]:
    opened = Engine(docker_engine.socket)
    yield opened
    await opened.close()


def volumes(engine: DockerEngine) -> list[str]:
    filters = {"filters": f'{{"label": ["{MARK}"]}}'}
    return [found["Name"] for found in engine.call("GET", "/volumes", params=filters)["Volumes"] or ()]


@pytest.mark.attack("resources: leftover daemons", backend="docker")
async def test_a_killed_worker_leaves_no_process_and_all_else_is_found(
    docker_engine: DockerEngine, engine: Engine, tmp_path: Path
) -> None:
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.docker_worker", str(tmp_path), KILLED, str(UID or 0)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout
    init = os.pidfd_open(int(await worker.stdout.readline()))
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    assert select.select([init], [], [], 60)[0], "the container outlived its worker"
    os.close(init)
    left = docker_engine.containers(MARK)
    assert [one["Labels"][OWNER_LABEL] for one in left] == ["exec_killed"]
    assert await remove_leftovers(engine, "other") == {"containers": 0, "networks": 0, "volumes": 0}
    assert await remove_leftovers(engine, KILLED) == {"containers": 1, "networks": 0, "volumes": 1}
    assert (docker_engine.containers(MARK), volumes(docker_engine)) == ([], [])


async def test_running_containers_go_and_environments_stay(
    docker_engine: DockerEngine, engine: Engine
) -> None:
    own, kept = {WORKER_LABEL: KILLED}, {WORKER_LABEL: KILLED, ENVIRONMENT_LABEL: "prj_1"}
    config = {"Image": docker_engine.image, "Cmd": ["sleep", "600"], "NetworkDisabled": True, "Labels": own}
    made = docker_engine.call("POST", "/containers/create", json=config)["Id"]
    docker_engine.call("POST", f"/containers/{made}/start")
    for name, labels in (("left", own), ("environment", kept)):
        docker_engine.call("POST", "/volumes/create", json={"Name": name, "Labels": labels})
    inner = {"Name": "inner", "Internal": True, "Labels": own}
    docker_engine.call("POST", "/networks/create", json=inner)
    assert await remove_leftovers(engine, "") == {}, "no mark means nobody's"
    assert await remove_leftovers(engine, KILLED) == {"containers": 1, "networks": 1, "volumes": 1}
    assert volumes(docker_engine) == ["environment"]
    docker_engine.call("DELETE", "/volumes/environment")
