"""What is left on the engine, and its removal: of a killed worker by its mark, of an engine that was away."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pullyard.sandboxes.docker.container import ENVIRONMENT_LABEL, WORKER_LABEL, remove_container
from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.sandboxes.docker.workspace import remove_volume

ENDED = ["created", "exited", "dead"]

AT_ONCE = 4
"""Removals that an engine is asked for side by side."""


async def remove_leftovers(engine: Engine, owner_label: str) -> dict[str, int]:
    """How many containers, networks and volumes there were. Repeatable; raises EngineRefused.

    ``owner_label`` is the mark of a worker of which no process runs any more (``SandboxSpec.worker``); where
    it is empty nothing is removed. The volumes of reused environments stay: they are wanted again.
    """
    if not owner_label:
        return {}
    query = {"filters": {"label": [f"{WORKER_LABEL}={owner_label}"]}}
    containers = await listed(engine, "/containers/json", {"all": "true", **query})
    # Networks and volumes can only go once no container has them.
    await in_turn([remove_container(engine, str(found["Id"])) for found in containers])
    networks = await listed(engine, "/networks", query)
    await in_turn([remove_network(engine, str(found["Id"])) for found in networks])
    volumes = (await engine.call("GET", "/volumes", query=query) or {}).get("Volumes") or ()
    ours = [found for found in volumes if not is_environment(found)]
    await in_turn([remove_volume(engine, str(found["Name"])) for found in ours])
    return {"containers": len(containers), "networks": len(networks), "volumes": len(ours)}


async def listed(engine: Engine, path: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    return await engine.call("GET", path, query=query) or []


async def settle(engine: Engine, seconds: float) -> None:
    """Once it answers, remove what it could not be told to remove while it was away. Repeatable.

    Raises EngineLost where it does not answer within that time, EngineRefused.
    """
    await engine.answers(seconds)
    owed = engine.owed
    async with owed.settling:
        await in_turn([remove_container(engine, name) for name in list(owed.containers)])
        await in_turn([remove_volume(engine, name) for name in list(owed.volumes)])
        for label in list(owed.builds):
            await remove_build(engine, label)
            owed.builds.discard(label)


async def remove_build(engine: Engine, label: str) -> None:
    query: dict[str, Any] = {"all": "true", "filters": {"label": [label], "status": ENDED}}
    left = await listed(engine, "/containers/json", query)
    await in_turn([remove_container(engine, str(found["Id"])) for found in left])
    layers = {"label": [label], "dangling": ["true"]}
    await engine.call("POST", "/images/prune", query={"filters": layers})


def is_environment(volume: Mapping[str, Any]) -> bool:
    return ENVIRONMENT_LABEL in (volume.get("Labels") or {})


async def remove_network(engine: Engine, name: str) -> None:
    try:
        await engine.call("DELETE", f"/networks/{quote(name, safe='')}")
    except EngineRefused as refused:
        if refused.status != 404:
            raise


async def in_turn(removals: list[Any]) -> None:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(removal: Any) -> None:
        async with turn:
            await removal

    await asyncio.gather(*map(one, removals))
