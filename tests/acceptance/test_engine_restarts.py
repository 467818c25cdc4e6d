"""A container engine that is killed, or away for a while, under a worker that lives on.

At every phase nothing stays behind and no work is lost, and the worker goes on by itself once it is back.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from watchfiles import awatch

from tests.bad_runs import processes
from tests.docker_engine import DockerEngine
from tests.leftovers import ended
from tests.repositories import branches_of, git_in
from tests.system import HELD, System

pytestmark = pytest.mark.slow
HALF_ONCE = "[ -e half.txt ] || { echo half >half.txt; echo reached; sleep 900; }; echo done >result.txt"
PASSES = [["true"]]
RETRY = {"max_tries": 1, "resume": True}


async def in_containers(system: System, engine: DockerEngine, name: str, **fields: Any) -> dict[str, Any]:
    """A task of a project with a repository of its own."""
    wish = {"backend": "docker", "image": engine.image}
    wanted = {"isolation": {"sandbox": wish}, "verify_commands": PASSES, "retry": RETRY, **fields}
    command = wanted.pop("command", "echo done >result.txt")
    project = await system.project(system.repository(name=name), name=name, **wanted)
    return await system.task(project, command)


async def reached(system: System, task: dict[str, Any], state: str, stream: str) -> None:
    execution = await system.until_execution(task, state)
    if stream:
        await system.until_logged(execution["id"], b"reached", stream)


def hold_pushes(repository: Path, released: Path) -> None:
    """A push is there at once, and its worker is told so only when ``released`` is there."""
    hook = repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nuntil [ -e {released} ]; do sleep 0.1; done\n")
    hook.chmod(0o755)


def go_on(system: System) -> None:
    system.go_on()
    (system.root / "released").touch()


def mark(system: System) -> str:
    return (system.worker_data / "mark").read_text().split()[0]


def on_engine(system: System, engine: DockerEngine) -> dict[str, set[str]]:
    """All that the engine has of the worker, by kind."""
    label = f"pullyard.worker={mark(system)}"
    query = {"filters": f'{{"label": ["{label}"]}}'}
    return {
        "containers": {one["Id"] for one in engine.containers(label)},
        "volumes": {one["Name"] for one in engine.call("GET", "/volumes", params=query)["Volumes"] or ()},
        "networks": {one["Id"] for one in engine.call("GET", "/networks", params=query)},
    }


def inits(engine: DockerEngine, containers: set[str]) -> list[int]:
    """Descriptors of the containers' first processes."""
    states = [engine.call("GET", f"/containers/{one}/json")["State"] for one in containers]
    return [os.pidfd_open(state["Pid"]) for state in states if state["Running"]]


def mounts(engine: DockerEngine) -> set[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return {line.split()[1] for line in lines if str(engine.directory) in line}


async def gone(system: System, engine: DockerEngine, containers: set[str]) -> None:
    """Once the engine has none of the containers any more: the worker looks every other second."""
    async with asyncio.timeout(60):
        async for _ in awatch(engine.directory, yield_on_timeout=True, rust_timeout=200):
            if containers.isdisjoint(on_engine(system, engine)["containers"]):
                return


@pytest.fixture
async def worked(own_engine: DockerEngine, system: System) -> AsyncIterator[DockerEngine]:
    """At the end the worker stops; fails where it, or any engine that it had, leaves something."""
    before = mounts(own_engine)
    yield own_engine
    assert await system.stop_worker() == 0
    assert on_engine(system, own_engine) == {"containers": set(), "volumes": set(), "networks": set()}
    assert mounts(own_engine) == before
    assert processes(str(system.root)) == []
    assert list(system.worker_data.glob("executions/exec_*")) == []
    assert [*Path("/tmp").glob(f"pullyard-{mark(system)}-*"), *system.worker_data.glob("tmp/*")] == []


async def test_an_engine_that_is_killed_at_every_phase(worked: DockerEngine, system: System) -> None:
    engine = worked
    await system.start_worker(sandbox="docker", docker_image=engine.image, slots="4")
    preparing = await in_containers(system, engine, "preparing", setup_commands=[["sh", "-c", HELD]])
    at_work = await in_containers(system, engine, "at-work", command=HALF_ONCE)
    verifying = await in_containers(system, engine, "verifying", verify_commands=[["sh", "-c", HELD]])
    publishing = await in_containers(system, engine, "publishing")
    hold_pushes(system.root / "publishing.git", system.root / "released")
    await reached(system, preparing, "preparing", "prepare")
    await reached(system, at_work, "implementing", "implement")
    await reached(system, verifying, "verifying", "verify")
    await reached(system, publishing, "publishing", "")
    had = on_engine(system, engine)["containers"]
    first = inits(engine, had)
    assert len(first) >= 3
    await asyncio.to_thread(engine.stop, signal.SIGKILL)
    go_on(system)
    await asyncio.to_thread(engine.until_ready, engine.launch())
    for task in (preparing, at_work, verifying, publishing):
        done = await system.ended(task)
        assert (done["state"], done["message"]) == ("completed", "")
    # What was prepared or proved is begun again; an agent's work is saved, and the next one goes on from it.
    for task in (preparing, verifying, publishing):
        assert len(await system.executions(task)) == 1
    interrupted, _ = await system.executions(at_work)
    assert interrupted["reason"] == "interrupted"
    assert "engine was lost" in interrupted["message"]
    assert interrupted["salvage_ref"]
    change = await system.change(await system.ended(at_work))
    assert git_in(system.root / "at-work.git", "show", f"{change['branch']}:half.txt") == "half"
    (proved,) = await system.executions(verifying)
    assert b"Beginning this step again." in await system.log(proved["id"], "verify")
    await gone(system, engine, had)
    assert all(map(ended, first))


async def test_what_needs_an_engine_waits_for_it_while_other_tasks_go_on(
    worked: DockerEngine, system: System
) -> None:
    engine = worked
    await system.start_worker(docker_image=engine.image)
    await system.until_worker_said("connected")
    await asyncio.to_thread(engine.stop)
    await until_relabelled(system, 1)
    waiting = await in_containers(system, engine, "waiting")
    plain = await system.project(system.repository(name="plain"), name="plain", verify_commands=PASSES)
    assert (await system.ended(await system.task(plain, "echo done >result.txt")))["state"] == "completed"
    waiting = await system.coordinator.get(f"/tasks/{waiting['id']}")
    assert (waiting["state"], waiting["unmet_labels"]) == ("queued", ["sandbox=docker"])
    await asyncio.to_thread(engine.until_ready, engine.launch())
    assert (await system.ended(waiting))["state"] == "completed"
    assert len(await system.executions(waiting)) == 1
    assert len(await until_relabelled(system, 2)) == 2


async def until_relabelled(system: System, times: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = 0
    async with asyncio.timeout(60):
        while len(found) < times:
            page = await system.coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])
            found += [event for event in page["items"] if event["kind"] == "worker.relabelled"]
    return found


async def test_an_engine_that_is_stopped_for_a_while(worked: DockerEngine, system: System) -> None:
    engine = worked
    await system.start_worker(sandbox="docker", docker_image=engine.image, docker_patience_seconds="0.5")
    task = await in_containers(system, engine, "stopped", command=f"echo half >half.txt; {HELD}")
    await reached(system, task, "implementing", "implement")
    had = on_engine(system, engine)["containers"]
    await asyncio.to_thread(engine.stop)
    await system.until_worker_said("salvage failed")
    await system.until(task["id"], "queued")
    # Another worker's round may have given it out again by now: this is the first.
    execution = min(await system.executions(task), key=lambda one: one["id"])
    assert execution["salvage_ref"] is None
    await system.until_worker_said("the container engine is away")
    go_on(system)
    await asyncio.to_thread(engine.until_ready, engine.launch())
    assert (await system.ended(task))["state"] == "completed"
    await gone(system, engine, had)
    (saved,) = [one for one in await system.executions(task) if one["id"] == execution["id"]]
    assert saved["salvage_ref"], "its work is saved as soon as the engine is back"
    assert len(branches_of(system.root / "stopped.git")) == 2
