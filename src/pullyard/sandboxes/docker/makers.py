"""Two ways to a container with a sandbox's mounts: told to the engine, or brought into one that runs."""

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from pullyard.sandboxes.docker.accounts import EngineFacts, ask_facts
from pullyard.sandboxes.docker.attach import AttachRefused, attach, detach
from pullyard.sandboxes.docker.container import Container, bind, configuration, make_container
from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.sandboxes.docker.environments import Claim, Environments
from pullyard.sandboxes.docker.images import Image
from pullyard.sandboxes.docker.leftovers import settle
from pullyard.sandboxes.docker.pool import Mold, WarmPool, runs
from pullyard.sandboxes.docker.workspace import OverlayVolume, check_exists
from pullyard.sandboxes.protocol import WORKSPACE, Mount, SandboxSpec

logger = structlog.get_logger(__name__)

Phase = Callable[[str], Any]
Kept = tuple[Mold, Container]
TIDIED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")
TIDY = (
    *("sh", "-c"),
    'find "$@" -mindepth 1 -delete || exit 1; for kind in shm msg sem; do '
    '[ ! -e "/proc/sysvipc/$kind" ] || { read -r _; ! read -r _; } <"/proc/sysvipc/$kind" || exit 1; done',
    *("sh", *TIDIED),
)
"""Empties those places; fails where it can't, or where what System V shares between processes is left."""


class Stock:
    """What all sandboxes of a worker share of one engine. ``close`` at the end, after them."""

    def __init__(self, engine: Engine, environments: Path, *, worker: str, warm: int) -> None:
        self.engine = engine
        self.pool = WarmPool(engine, warm)
        self.environments = Environments(engine, environments, worker)
        self.returns = 0
        self.away = False
        self.known: EngineFacts | None = None
        self.refused: str | None = None
        """Why mounts can't be brought into a container here, once that was tried."""

    async def facts(self) -> EngineFacts:
        if self.known is None:
            self.known = await ask_facts(self.engine)
        return self.known

    def attaches(self, facts: EngineFacts) -> bool:
        own_kernel_rights = os.geteuid() == 0 and not facts.rootless and facts.mapped_from is None
        return own_kernel_rights and self.refused is None

    async def tidy(self) -> bool:
        """End containers that wait in vain; whether the engine is back from being away since the last call.

        It asks the engine, so that one that is away is noticed before a task needs it: a millisecond.
        """
        await self.pool.end_dead()
        await self.environments.end_dead()
        with contextlib.suppress(EngineRefused):
            await settle(self.engine, 0.0)
        if self.engine.lost and not self.away:
            logger.warning("the container engine is away, start it: 'systemctl start docker'")
            self.away = True
        if self.engine.lost or self.returns == self.engine.returns:
            return False
        logger.info("the container engine is back")
        self.returns, self.away = self.engine.returns, False
        # It may have come back as another one.
        self.known = None
        return True

    async def close(self) -> None:
        await self.environments.close()
        await self.pool.close()
        await self.engine.close()


@dataclass
class Order:
    """What containers are wanted."""

    engine: Engine
    spec: SandboxSpec
    image: Image
    facts: EngineFacts
    mounts: Sequence[Mount]
    """Besides the workspace."""
    phase: Phase
    claim: Claim | None = None
    volumes: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        for mount in self.mounts:
            check_exists(mount.outside)
        self.volumes = [self.claim.mount()] if self.claim else []

    def configuration(self, spec: SandboxSpec, mounts: list[dict[str, Any]]) -> dict[str, Any]:
        configured = configuration(spec, self.image, [*self.volumes, *mounts])
        if self.facts.keeps_accounts:
            configured["HostConfig"]["UsernsMode"] = "keep-id"
        return configured


class Maker(Protocol):
    async def container(self) -> Container: ...

    async def close(self, idle: Sequence[Container], *, keep: bool = True) -> Kept | None:
        """Nothing runs in those that are ``idle``; the others have ended. Raises EngineRefused.

        What is returned is clean, and for the next task of the project; nothing is where not ``keep``.
        """
        ...

    def refill(self) -> None: ...


class Declaring:
    """The engine makes the mounts: works with every engine."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.volume: OverlayVolume | None = None
        self.configured: dict[str, Any] = {}

    async def open(self) -> None:
        order, workspace = self.order, self.order.spec.workspace
        with order.phase("workspace"):
            if workspace.lower is None:
                check_exists(workspace.upper)
                mount = bind(Mount(workspace.upper, WORKSPACE, writable=True))
            else:
                self.volume = OverlayVolume(order.engine, order.spec)
                await self.volume.make()
                mount = self.volume.mount()
        self.configured = order.configuration(order.spec, [mount, *map(bind, order.mounts)])

    async def container(self) -> Container:
        order = self.order
        return await make_container(
            order.engine, self.configured, order.spec.limits, order.spec.platform, order.phase
        )

    def refill(self) -> None:
        """Nothing waits: each has mounts of its own."""

    async def close(self, idle: Sequence[Container], *, keep: bool = True) -> None:
        del keep
        for container in idle:
            await container.end()
        if self.volume is not None:
            await self.volume.remove()


class Attaching:
    """Takes containers that wait, a project's own one, or has one made, and brings the mounts into it."""

    def __init__(self, order: Order, stock: Stock, account: str) -> None:
        self.order = order
        self.stock = stock
        self.account = account
        nobody = replace(order.spec, owner="", mounts=())
        # What the disk may hold is not the container's.
        limits = replace(order.spec.limits, disk_bytes=None, inodes=None)
        self.mold = Mold(order.configuration(nobody, []), limits, order.spec.platform)
        self.live: list[Container] = []

    async def container(self) -> Container:
        """Raises AttachRefused, and then it can't be done here at all."""
        order = self.order
        with order.phase("take"):
            container = await self.found()
        if container is None:
            container = await make_container(
                order.engine, self.mold.configured, self.mold.limits, self.mold.platform, order.phase
            )
        try:
            with order.phase("attach"):
                if container.init is None:
                    raise AttachRefused("the engine's processes can't be seen")
                await attach(container.init, order.spec.workspace, order.mounts, self.shared())
        except BaseException as failed:
            ended = container.init is not None and not runs(container)
            with contextlib.suppress(EngineRefused):
                await container.end()
            if ended and isinstance(failed, AttachRefused):
                raise EngineRefused(0, "The container ended while it got its mounts.") from failed
            raise
        self.live.append(container)
        return container

    async def found(self) -> Container | None:
        if self.order.claim is None:
            return await self.stock.pool.take(self.mold)
        if self.live:
            return None
        return await self.stock.environments.take(self.order.claim.project, self.mold)

    def shared(self) -> int | None:
        return next((container.init for container in self.live if runs(container)), None)

    def refill(self) -> None:
        if self.order.claim is None:
            self.stock.pool.refill(self.mold)

    async def close(self, idle: Sequence[Container], *, keep: bool = True) -> Kept | None:
        """A project's container is kept, where it is as clean as a new one."""
        kept = None
        for container in idle:
            if keep and self.order.claim and kept is None and await self.is_clean(container):
                kept = self.mold, container
            else:
                await container.end()
        return kept

    async def is_clean(self, container: Container) -> bool:
        # What an image declares as a volume can be written to, and is not ours to empty.
        if not set(self.order.image.volumes) <= set(TIDIED):
            return False
        if container.init is None or not runs(container) or not container.empty():
            return False
        try:
            if await container.quietly(TIDY, self.account) != 0:
                return False
            await detach(container.init, self.order.mounts)
        except (AttachRefused, EngineRefused, TimeoutError):
            return False
        return container.empty()


async def open_maker(order: Order, stock: Stock | None, account: str) -> tuple[Maker, Container]:
    """The best way there is here, and its first container. Raises SandboxUnavailable, and EngineRefused."""
    if stock is not None and stock.attaches(order.facts):
        attaching = Attaching(order, stock, account)
        try:
            return attaching, await attaching.container()
        except AttachRefused as refused:
            logger.warning("a container has its mounts from the engine instead", problem=str(refused))
            if refused.final:
                stock.refused = str(refused)
    declaring = Declaring(order)
    try:
        await declaring.open()
        return declaring, await declaring.container()
    except BaseException:
        await declaring.close(())
        raise
