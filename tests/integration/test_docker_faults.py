"""A container engine that is missing, refuses, or goes in the middle: one sentence that says what to do."""

import asyncio
import os
import select
import signal
from pathlib import Path

import pytest

from pullyard.sandboxes.docker.container import WORKER_LABEL
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import Command, ContainerSettings, Limits, SandboxSpec, SandboxUnavailable
from tests.docker_engine import DockerEngine
from tests.sandbox_places import UID, first_line, workspace

MARK = f"faults{os.getpid()}"


def sandbox_of(place: Path, containers: ContainerSettings, platform: str | None = None) -> DockerSandbox:
    layers = workspace(place, overlay=True)
    spec = SandboxSpec(layers, (), Limits(), UID, platform=platform, worker=MARK, containers=containers)
    return DockerSandbox(spec)


async def begin(sandbox: DockerSandbox) -> None:
    await sandbox.provision()
    # The engine may see only now that the container's first process has ended.
    await sandbox.start(Command(["true"]))


async def refusal(sandbox: DockerSandbox) -> str:
    with pytest.raises(SandboxUnavailable) as refused:
        await begin(sandbox)
    await sandbox.destroy()
    return str(refused.value)


async def test_an_engine_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    said = await refusal(sandbox_of(tmp_path, ContainerSettings()))
    assert said == f"No container engine listens at {tmp_path}/none.sock: start it, or set DOCKER_HOST."


@pytest.mark.usefixtures("docker_engine")
async def test_an_image_that_is_missing_is_named(tmp_path: Path) -> None:
    said = await refusal(sandbox_of(tmp_path, ContainerSettings("example/none:1")))
    assert "example/none:1 is not on this machine: fetch it with 'docker pull example/none:1'" in said


async def test_a_runtime_that_is_missing_is_told_with_its_step(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    said = await refusal(sandbox_of(tmp_path, ContainerSettings(docker_engine.image, "runsc-none")))
    assert "at the step 'create'" in said
    assert said.endswith("Install that runtime for the engine, or unset docker_runtime.")
    assert docker_engine.containers(f"{WORKER_LABEL}={MARK}") == []


async def test_another_architecture_is_taken_only_on_request(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    said = await refusal(sandbox_of(tmp_path, ContainerSettings(docker_engine.image), "linux/riscv64"))
    assert "and the project asks for linux/riscv64" in said


async def test_an_image_without_a_shell_is_told(docker_engine: DockerEngine, tmp_path: Path) -> None:
    docker_engine.import_image("pullyard-tests/empty:1", bytes(10240))
    said = await refusal(sandbox_of(tmp_path, ContainerSettings("pullyard-tests/empty:1")))
    assert said.endswith("The image must have a shell and the usual small programs.")
    assert docker_engine.containers(f"{WORKER_LABEL}={MARK}") == []


@pytest.mark.slow
async def test_an_engine_that_is_killed_ends_the_command_at_once(
    own_engine: DockerEngine, tmp_path: Path
) -> None:
    sandbox = sandbox_of(tmp_path, ContainerSettings(own_engine.image))
    await sandbox.provision()
    process, _ = await first_line(sandbox, "sh", "-c", "setsid sleep 600 & echo up; exec sleep 600")
    init = os.pidfd_open(sandbox.processes[0].container.process_id)
    own_engine.stop(signal.SIGKILL)
    async with asyncio.timeout(60):
        with pytest.raises(SandboxUnavailable, match=r"engine was lost .* 'systemctl start docker'"):
            await process.wait()
        await sandbox.destroy()
    assert select.select([init], [], [], 0)[0], "the container outlived its sandbox"
    os.close(init)
