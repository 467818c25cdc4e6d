"""A worker of the simulation: the real loop, heart, journal and executions, over simulated effects."""

from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import SimpleNamespace
from typing import Any

from pullyard.protocol.enrolment import ConnectRequest
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.versions import PROTOCOL_VERSION
from pullyard.protocol.worker import Errand
from pullyard.worker.client import until_answered
from pullyard.worker.context import Tools
from pullyard.worker.execution import Execution
from pullyard.worker.heartbeat import Heart
from pullyard.worker.lease import Lease
from pullyard.worker.loop import Loop
from simulation.coordinator import clock_of
from simulation.disk import Place
from simulation.effects import EFFECTS
from simulation.forge import ForgeWorld
from simulation.network import Link, Network, SimulatedClient
from simulation.virtual_loop import Node, VirtualLoop

LOG_LIMIT_BYTES = 1 << 20


@dataclass
class Machine:
    """What outlives a worker's process: its disk, its place in the network and its clock."""

    worker_id: str
    place: Place
    slots: int
    labels: list[str]
    link: Link
    clock_offset: float
    clock_rate: float
    lives: int = 0
    process: "WorkerNode | None" = None

    def wipe(self) -> None:
        self.place.disk.remove(self.place)
        self.place.mkdir()


class NoWorkspaces:
    def release(self, place: Place) -> None:
        del place

    def collect(self) -> None:
        pass


@dataclass
class WorkerNode:
    """One life of one worker."""

    machine: Machine
    node: Node
    held: dict[str, Any]
    loop: Loop | None = None
    ended: bool = False

    @classmethod
    def start(
        cls, loop: VirtualLoop, machine: Machine, network: Network, forge: ForgeWorld, seconds: float
    ) -> "WorkerNode":
        machine.lives += 1
        node = Node(f"{machine.worker_id}/{machine.lives}", machine.clock_offset, machine.clock_rate)
        started = cls(machine, node, {})
        machine.process = started
        loop.spawn(node, started.work(loop, network, forge, seconds))
        return started

    async def work(self, loop: VirtualLoop, network: Network, forge: ForgeWorld, seconds: float) -> None:
        """What ``pullyard.worker.run`` does, without its signals and its credential."""
        machine = self.machine
        client = SimulatedClient(network, machine.link)
        settings: Any = SimpleNamespace(
            data_directory=machine.place,
            slots=machine.slots,
            once=False,
            minimum_free_bytes=0,
            log_limit_bytes=LOG_LIMIT_BYTES,
            output_limit_bytes=LOG_LIMIT_BYTES,
            quota_wait_seconds=0.0,
            first_uid=0,
        )
        parts: dict[str, Any] = {
            "settings": settings,
            "client": client,
            "lease": Lease(clock_of(loop, self.node)),
            "git": forge,
            "workspaces": NoWorkspaces(),
        }
        # What only the real effects use is left out; what has a default has it here, too.
        tools = Tools(**{**dict.fromkeys(without_default()), **parts})
        wish = ConnectRequest(
            protocol_versions=list(range(1, PROTOCOL_VERSION + 1)),
            software_version="simulated",
            labels=machine.labels,
            slots=machine.slots,
        )
        connected = await until_answered(lambda: client.connect(wish))
        heart = Heart(
            client, tools.lease, self.held, slots=machine.slots, seconds=connected.heartbeat_seconds
        )
        self.loop = Loop(
            client,
            heart,
            self.held,
            settings=settings,
            begin=lambda journal, *, recovered: Execution(
                tools, journal, recovered=recovered, effects=EFFECTS
            ),
            do_errand=no_errand,
        )
        heart.windows = tools.windows
        tools.windows.on_closed, tools.windows.on_opened = heart.beat_now, self.loop.ask_anew
        if forge.provider is not None:
            tools.windows.patience_seconds = forge.provider.plan.quota_wait_seconds
        loop.spawn(self.node, heart.run(seconds))
        self.loop.recover()
        try:
            await self.loop.run(once=False)
            await self.loop.finished()
        except PullyardError:
            self.node.alive = False
            raise
        self.ended = True
        self.node.alive = False

    def kill(self) -> None:
        """Whoever it talks with sees the connection break, or does not."""
        self.node.alive = False


@cache
def without_default() -> tuple[str, ...]:
    """Those of the worker's tools that somebody has to give."""
    return tuple(
        one.name for one in fields(Tools) if (one.default, one.default_factory) == (MISSING, MISSING)
    )


async def no_errand(_: Errand) -> None:
    raise AssertionError("a history has no errands")
