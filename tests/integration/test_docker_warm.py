"""Containers that waited, and the environment that a project's tasks share one after the other."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pullyard.sandboxes.docker.container import WORKER_LABEL
from pullyard.sandboxes.docker.engine import Engine
from pullyard.sandboxes.docker.environments import HOME, KEPT_SECONDS, USED
from pullyard.sandboxes.docker.makers import Stock
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.probe import SMALL, try_escapes
from pullyard.sandboxes.protocol import ContainerSettings, Mount, SandboxSpec, SandboxUnavailable
from tests.docker_engine import BASE_IMAGE, DockerEngine, Refused
from tests.sandbox_places import UID, directory, run, workspace

MARK = f"warm{os.getpid()}"


@pytest.fixture
async def stock(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Stock]:
    opened = Stock(Engine(docker_engine.socket), tmp_path / "environments", worker=MARK, warm=1)
    yield opened
    await opened.close()
    with suppress(Refused):
        docker_engine.call("DELETE", f"/volumes/{opened.environments.volume_of('prj_1')}")
    assert docker_engine.containers(f"{WORKER_LABEL}={MARK}") == [], "something was left on the engine"


def spec_at(place: Path) -> SandboxSpec:
    mirror = directory(place / "mirror", {"objects": "packed\n"})
    return SandboxSpec(
        workspace(place, overlay=True),
        mounts=[Mount(mirror, "/mirror")],
        limits=SMALL,
        uid=UID,
        worker=MARK,
        containers=ContainerSettings(image=BASE_IMAGE),
    )


async def provisioned(spec: SandboxSpec, stock: Stock) -> DockerSandbox:
    sandbox = DockerSandbox(spec, stock)
    await sandbox.provision()
    return sandbox


async def filled(stock: Stock) -> list[str]:
    """The names of the containers that wait, once as many wait as should."""
    await asyncio.gather(*stock.pool.filling)
    return [container.name for waiting in stock.pool.waiting.values() for container in waiting]


@pytest.fixture
async def warm(stock: Stock, tmp_path: Path) -> AsyncIterator[DockerSandbox]:
    """A sandbox whose container waited for it."""
    first = await provisioned(spec_at(tmp_path / "first"), stock)
    assert await run(first, "true") == (0, "")
    await first.destroy()
    (waited,) = await filled(stock)
    made = await provisioned(spec_at(tmp_path / "second"), stock)
    assert (made.idle[0].name, "create" in made.phases) == (waited, False)
    yield made
    await made.destroy()


async def test_a_container_that_waited_is_a_whole_sandbox(
    warm: DockerSandbox, stock: Stock, docker_engine: DockerEngine
) -> None:
    script = (
        "cat greeting /mirror/objects; echo new >made; id -un; pwd; (: >/mirror/x) || (: >/x) || echo shut"
    )
    assert await run(warm, "sh", "-c", f"{{ {script}; }} 2>/dev/null") == (
        0,
        "hello\npacked\nagent\n/ws\nshut\n",
    )
    assert (warm.spec.workspace.upper / "made").read_text() == "new\n"
    await run(warm, "mkfifo", "pipe")
    reading = asyncio.create_task(run(warm, "cat", "pipe"))
    await run(warm, "sh", "-c", "echo across >pipe")
    assert await reading == (0, "across\n"), "the second container has the same workspace"
    used = {container.name for container in warm.idle}
    await warm.destroy()
    assert used.isdisjoint(await filled(stock)), "a used container waits for nobody"
    left = {one["Id"] for one in docker_engine.containers(f"{WORKER_LABEL}={MARK}")}
    assert used.isdisjoint(left)


@pytest.mark.attack("sandbox: ways out", backend="docker")
async def test_a_container_that_waited_holds_every_way_out(warm: DockerSandbox, tmp_path: Path) -> None:
    held = await try_escapes(warm, directory(tmp_path / "scratch"))
    assert {name for name, kept in held.items() if not kept} == set()


async def test_nothing_of_a_hostile_image_is_opened(
    stock: Stock, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    """A pipe would hang whoever opens it; a device could do worse."""
    spoil = "mkdir /opt; mkfifo /opt/one && ln -s /nowhere /link"
    config = {"Image": BASE_IMAGE, "Cmd": ["sh", "-c", spoil], "NetworkDisabled": True}
    made = docker_engine.call("POST", "/containers/create", json=config)["Id"]
    docker_engine.call("POST", f"/containers/{made}/start")
    docker_engine.call("POST", f"/containers/{made}/wait")
    name = {"container": made, "repo": "pullyard-tests/hostile", "tag": "1"}
    docker_engine.call("POST", "/commit", params=name, json={})
    docker_engine.call("DELETE", f"/containers/{made}")
    spec = replace(spec_at(tmp_path / "first"), image="pullyard-tests/hostile:1")
    objects = spec.mounts[0].outside / "objects"
    sandbox = await provisioned(replace(spec, mounts=[Mount(objects, "/opt/one")]), stock)
    assert "attach" in sandbox.phases
    assert await run(sandbox, "cat", "/opt/one") == (0, "packed\n")
    await sandbox.destroy()
    refused = DockerSandbox(replace(spec, mounts=[Mount(objects, "/link")]), stock)
    with suppress(SandboxUnavailable):
        await refused.provision()
    await refused.destroy()
    assert stock.refused is None, "one image's fault is no other one's"


async def test_a_container_that_died_while_it_waited_is_not_taken(
    warm: DockerSandbox, stock: Stock, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    assert await run(warm, "true") == (0, "")
    (waiting,) = await filled(stock)
    docker_engine.call("POST", f"/containers/{waiting}/kill")
    another = await provisioned(spec_at(tmp_path / "third"), stock)
    assert await run(another, "cat", "greeting") == (0, "hello\n")
    await another.destroy()


async def test_other_bounds_are_another_kind(warm: DockerSandbox, stock: Stock, tmp_path: Path) -> None:
    assert await run(warm, "true") == (0, "")
    await filled(stock)
    spec = replace(spec_at(tmp_path / "third"), limits=replace(SMALL, processes=99))
    another = await provisioned(spec, stock)
    assert "create" in another.phases
    await another.destroy()


async def in_project(place: Path, stock: Stock, **changes: Any) -> DockerSandbox:
    spec = replace(spec_at(place), environment="prj_1", **changes)
    if UID is not None:
        for layer in (spec.workspace.upper, spec.workspace.work):
            os.chown(layer, spec.uid or 0, spec.uid or 0)
    return await provisioned(spec, stock)


async def test_a_projects_tasks_share_a_container_and_a_home(stock: Stock, tmp_path: Path) -> None:
    first = await in_project(tmp_path / "first", stock)
    assert await run(first, "sh", "-c", "echo kept >~/cache; echo gone >/tmp/x; pwd; echo ~") == (
        0,
        f"/ws\n{HOME}\n",
    )
    beside = await in_project(tmp_path / "beside", stock)
    assert await run(beside, "sh", "-c", "echo ~") == (0, "/tmp\n"), "it is one task's at a time"
    await beside.destroy()
    (one,) = first.idle
    await first.destroy()
    second = await in_project(tmp_path / "second", stock, **({} if UID is None else {"uid": UID + 1}))
    assert [container.name for container in second.idle] == [one.name]
    script = "cat ~/cache greeting; ls /tmp; echo more >>~/cache; ls /ws"
    assert await run(second, "sh", "-c", script) == (0, "kept\nhello\ngreeting\n")
    await second.destroy()


async def test_a_container_that_is_not_clean_is_not_used_again(stock: Stock, tmp_path: Path) -> None:
    first = await in_project(tmp_path / "first", stock)
    (one,) = first.idle
    await run(first, "sh", "-c", "echo kept >~/cache; mkdir -p /tmp/shut/x; chmod 0 /tmp/shut")
    await first.destroy()
    second = await in_project(tmp_path / "second", stock)
    assert second.idle[0].name != one.name
    assert await run(second, "sh", "-c", "cat ~/cache") == (0, "kept\n"), "the volume is the same"
    await second.destroy()


LEFT = {
    "queue": "libc.mq_open(b'/left', 0o100 | 2, 0o600, None)",
    "shared memory": "libc.shmget(1, 4096, 0o1000 | 0o600)",
    "messages": "libc.msgget(1, 0o1000 | 0o600)",
    "semaphores": "libc.semget(1, 1, 0o1000 | 0o600)",
}


@pytest.mark.parametrize("kind", LEFT)
async def test_nothing_that_the_kernel_keeps_outlives_its_task(
    stock: Stock, tmp_path: Path, kind: str
) -> None:
    script = f"import ctypes; libc = ctypes.CDLL(None, use_errno=True); print({LEFT[kind]} >= 0)"
    first = await in_project(tmp_path / "first", stock)
    assert await run(first, "python3", "-c", script) == (0, "True\n")
    await first.destroy()
    second = await in_project(tmp_path / "second", stock)
    left = "ls /dev/mqueue; cat /proc/sysvipc/*"
    _, found = await run(second, "sh", "-c", left)
    await second.destroy()
    assert len(found.splitlines()) == 3, "the heads of three tables"


@pytest.fixture
def image_with_a_volume(docker_engine: DockerEngine) -> Iterator[str]:
    name = "pullyard-tests/volume:latest"
    made = docker_engine.call("POST", "/containers/create", json={"Image": BASE_IMAGE, "Cmd": ["true"]})
    wish = {"container": made["Id"], "repo": name.partition(":")[0], "changes": "VOLUME /data"}
    docker_engine.call("POST", "/commit", params=wish)
    docker_engine.call("DELETE", f"/containers/{made['Id']}")
    yield name
    docker_engine.call("DELETE", f"/images/{name}")


async def test_a_volume_of_the_image_begins_empty_for_each_task(
    stock: Stock, tmp_path: Path, image_with_a_volume: str
) -> None:
    settings = ContainerSettings(image=image_with_a_volume)
    first = await in_project(tmp_path / "first", stock, containers=settings)
    assert await run(first, "sh", "-c", "echo left >/data/x; echo kept >~/cache; ls /data") == (0, "x\n")
    await first.destroy()
    second = await in_project(tmp_path / "second", stock, containers=settings)
    assert await run(second, "sh", "-c", "ls /data; cat ~/cache") == (0, "kept\n")
    await second.destroy()


async def test_an_environment_that_outgrew_its_disk_begins_anew(stock: Stock, tmp_path: Path) -> None:
    spec = replace(spec_at(tmp_path / "first"), environment="prj_1")
    first = await provisioned(replace(spec, limits=replace(SMALL, disk_bytes=16 << 20)), stock)
    code, _ = await run(first, "sh", "-c", "head -c 50000000 /dev/zero >~/fill; exec sleep 600")
    assert code == 137
    await first.destroy()
    second = await in_project(tmp_path / "second", stock)
    assert await run(second, "sh", "-c", "ls ~") == (0, "")
    await second.destroy()


async def test_an_environment_goes_a_week_after_its_last_use(
    stock: Stock, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    first = await in_project(tmp_path / "first", stock)
    place = tmp_path / "environments/prj_1"
    old = time.time() - KEPT_SECONDS - 60
    os.utime(place / USED, (old, old))
    assert await stock.environments.remove_old() == [], "a task has it"
    await first.destroy()
    assert await stock.environments.remove_old() == [], "it was used just now"
    os.utime(place / USED, (old, old))
    assert await stock.environments.remove_old({"prj_1"}) == []
    assert await stock.environments.remove_old() == ["prj_1"]
    volumes = docker_engine.call("GET", "/volumes")["Volumes"] or ()
    assert (place.exists(), [one["Name"] for one in volumes if "prj_1" in one["Name"]]) == (False, [])
