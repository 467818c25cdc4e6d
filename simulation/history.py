"""One history from its seed to its verdict."""

import asyncio
import gc
import random
import traceback
from dataclasses import dataclass, field
from typing import Any

import simulation.statements_executions
import simulation.statements_spending  # noqa: F401 - Both register their answers.
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.tasks.cancel import cancel_task
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.retry import retry_task
from pullyard.git.provenance import provenance
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import TaskInput
from pullyard.protocol.versions import PROTOCOL_VERSION
from simulation import plan as planning
from simulation.checks import Oracle
from simulation.checks_money import MoneyOracle
from simulation.coordinator import TENANT, CoordinatorNode, SimulatedBus
from simulation.disk import Disk, Place
from simulation.forge import ForgeWorld, SimulatedGit
from simulation.memory import MemoryDatabase, Tables
from simulation.money import MoneyPlan, Provider, plan_money
from simulation.mutations import MUTATIONS, Mutation
from simulation.network import FAIR, Link, Network, Reply
from simulation.person import Person
from simulation.plan import Fault, Plan, make_plan
from simulation.replaced import EPOCH_SECONDS, replaced
from simulation.virtual_loop import NODE, Node, Stalled, VirtualLoop
from simulation.worker import Machine, WorkerNode

OFFLINE_SECONDS = 60.0
PATIENCE_SECONDS = 4000.0
LONG_ABSENCE_SECONDS = 16.0
"""The caretakers give everybody grace after an absence of a third of a lease and their own interval."""
DEFAULTS = CoordinatorSettings()
SETTINGS: dict[str, Any] = {
    "lease_seconds": 30.0,
    "heartbeat_seconds": 10.0,
    "acknowledge_seconds": 15.0,
    "caretaker_seconds": 5.0,
    "slow_poll_seconds": 15.0,
    "drift_seconds": 1e9,
}


@dataclass
class Verdict:
    """``virtual_seconds`` is how long the history took by its own clock; ``digest`` tells two runs apart."""

    seed: str
    violations: list[str]
    virtual_seconds: float
    states: dict[str, int]
    trace: list[str] = field(default_factory=list)


class History:
    def __init__(self, seed: str, mutation: Mutation | None, *, traced: bool) -> None:
        self.plan: Plan = make_plan(seed)
        self.loop = VirtualLoop()
        self.mutation = mutation
        self.traced = traced
        self.trace: list[str] = []
        plan, removed = self.plan, frozenset({mutation.name} if mutation else ())
        self.tables = Tables(self.now)
        self.network = Network(self.loop, self.dice("network"), plan.weather)
        self.forge = ForgeWorld(
            self.network,
            self.dice("forge"),
            removed,
            SimulatedGit(self.message_of),
            plan.forge_unreachable,
            plan.forge_slow,
        )
        self.database = MemoryDatabase(self.tables, dice=self.dice("database"), removed=removed)
        self.database.interruption_seconds = plan.interruption_seconds
        self.database.away = self.database_away
        self.settings = DEFAULTS.model_copy(update={**SETTINGS, "max_running": plan.max_running})
        self.away_since: float | None = None
        self.back_since = 0.0
        self.oracle = Oracle(
            self.tables,
            plan.max_running,
            SETTINGS["lease_seconds"],
            self.now,
            self.forge.commits,
            back_since=lambda: EPOCH_SECONDS + self.back_since,
            failed=self.stop,
        )
        self.machines: list[Machine] = []
        self.away_until = 0.0
        self.under_way = 0
        self.task_ids: list[str] = []
        self.stopped: asyncio.Future[None] = self.loop.create_future()
        self.money = plan_money(seed)
        self.wire_up()
        if self.money is not None:
            self.wire_money(self.money)

    def dice(self, what: str) -> random.Random:
        return random.Random(f"{self.plan.seed}:{what}")

    def now(self) -> float:
        return EPOCH_SECONDS + self.loop.now

    def say(self, text: str) -> None:
        node = NODE.get()
        self.trace.append(f"{self.loop.now:9.3f} {node.name if node else '-':8} {text}")

    def stop(self) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def wire_up(self) -> None:
        self.database.committed = self.committed
        self.network.answered = self.claim_answered
        self.forge.began = self.oracle.push_began
        self.forge.pushed = self.oracle.pushed
        if self.traced:
            self.network.trace = self.say
            self.database.trace = self.say

    def wire_money(self, plan: MoneyPlan) -> None:
        provider = self.forge.provider = Provider(plan)
        watching = MoneyOracle(
            self.tables,
            provider,
            self.now,
            self.loop.time,
            self.oracle.violated,
            self.plan.interruption_seconds,
        )
        self.oracle.also, self.network.heard = watching.committed, watching.heard
        # The day of the database ends at that moment of the history.
        self.tables.day_begins = 86_400 - EPOCH_SECONDS % 86_400 - plan.midnight

    def committed(self, undo: list[Any]) -> None:
        self.oracle.committed(undo)
        if self.traced:
            for table, key, before in undo:
                after = self.tables.rows[table].get(key, {})
                changed = {
                    name: after[name] for name in after if before is None or before.get(name) != after[name]
                }
                if table in ("tasks", "task_executions", "project_queue", "log_streams", "changes"):
                    self.say(f"commit {table} {key} {shown(changed)}")

    def claim_answered(self, worker_id: str, body: bytes, reply: Reply, began: float) -> None:
        if reply.status_code == 200:
            self.oracle.answered(worker_id, body, reply.content, EPOCH_SECONDS + began)

    def message_of(self, commit: str) -> str:
        execution = self.oracle.execution_of(commit)
        return provenance(execution["task_id"], execution["fence"])

    def wrote(self, path: Place, data: bytes) -> None:
        self.oracle.wrote(path.parent.parent.name, path.stem, data)

    def complain(self, sentence: str) -> None:
        self.oracle.violated(f"the code reported an error: {sentence}")

    def bug(self, error: BaseException) -> None:
        told = "".join(traceback.format_exception(error)[-3:])
        self.oracle.violated(f"a request ended in a bug: {error!r}\n{told}")

    def database_away(self, moment: str) -> None:
        """Gone at the beginning; or at the commit, whose caller then can't know whether it happened."""
        if self.loop.now >= self.away_until or NODE.get() is None:
            return
        if moment == "begin" or self.database.dice is None or self.database.dice.random() < 0.5:
            raise ConnectionError("the database is away")

    # The world.

    def fill(self) -> None:
        plan, tables = self.plan, self.tables
        tables.members.update(
            {
                f"mem_{number}": {"id": f"mem_{number}", "max_running": limit}
                for number, limit in enumerate(plan.member_limits)
            }
        )
        tables.tenant = {"id": TENANT, "max_running": None}
        for number, limit in enumerate(plan.limits):
            project_id = f"proj_{number}"
            tables.projects[project_id] = project_row(project_id, plan.max_tries)
            tables.project_queue[project_id] = {
                "project_id": project_id,
                "tenant_id": TENANT,
                "queued": 0,
                "running": 0,
                "max_running": limit,
                "active": True,
                "turn": tables.draw("turns"),
                "lane_ids": [],
            }
        dice, disk = self.dice("machines"), Disk()
        for number, slots in enumerate(plan.slots):
            worker_id = f"work_{number}"
            labels = ["gpu"] if number == 0 else []
            tables.workers[worker_id] = worker_row(worker_id, labels, slots)
            place = Place(disk) / worker_id
            place.mkdir()
            machine = Machine(
                worker_id,
                place,
                slots,
                labels,
                Link(self.network, worker_id),
                clock_offset=dice.random() * 1e6,
                clock_rate=1.0 + plan.skew * (dice.random() - 0.5),
            )
            self.machines.append(machine)

    def start_replica(self, number: int) -> None:
        node = Node(f"coord_{number}", clock_offset=self.dice("clock").random() * 1e6)
        replica = CoordinatorNode.start(
            self.loop, node, self.database, self.settings, self.carry_news, self.bug
        )
        self.network.replicas.append(replica)

    def carry_news(self, sender: SimulatedBus, topic: str, payload: Any) -> None:
        for replica in self.network.replicas:
            if replica.bus is not sender and replica.node.alive:
                self.network.later(
                    self.network.delay(),
                    self.loop.call_soon_in,
                    replica.node,
                    replica.bus.tell,
                    topic,
                    payload,
                )

    def start_worker(self, machine: Machine) -> None:
        WorkerNode.start(self.loop, machine, self.network, self.forge, OFFLINE_SECONDS)

    async def run(self) -> None:
        self.fill()
        for number in range(self.plan.replicas):
            self.start_replica(number)
        for machine in self.machines:
            self.start_worker(machine)
        if self.money is not None:
            person = Person(self.database, self.money, self.dice("person"), self.tell_queue)
            await person.set_budgets()
            self.loop.create_task(person.lift(self.loop.time))
        wishing = self.loop.create_task(self.wish())
        for fault in self.plan.faults:
            self.loop.create_task(self.happen(fault))
        ending = self.loop.create_task(self.until_over(wishing))
        await asyncio.wait(
            {ending, self.stopped}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if ending.done():
            ending.result()
        if not self.oracle.violations:
            self.oracle.ended(self.forge.branches)

    async def until_over(self, wishing: "asyncio.Task[None]") -> None:
        """Every task has ended, no worker holds anything, no fault goes on, and nothing is on its way."""
        await wishing
        while self.under_way or self.network.under_way or self.unsettled():
            await asyncio.sleep(1.0)
            if self.loop.now > planning.FAULTS_END_SECONDS and not self.under_way:
                self.network.weather = FAIR
                self.forge.slow = self.forge.unreachable = 0.0

    def unsettled(self) -> bool:
        return any(task["finished_at"] is None for task in self.tables.tasks.values()) or self.busy()

    def busy(self) -> bool:
        return any(
            machine.process and machine.process.node.alive and machine.process.held
            for machine in self.machines
        )

    async def wish(self) -> None:
        """A person makes the tasks; what they depend on is made before."""
        for number, task in enumerate(self.plan.tasks):
            await asyncio.sleep(max(0.0, task.at - self.loop.now))
            waits = [] if task.waits_for is None else [self.task_ids[task.waits_for]]
            wish = TaskInput(
                title=f"Task {number}",
                priority=task.priority,
                labels=["gpu"] if task.label else [],
                depends_on=waits,
            )
            member = None if task.member is None else f"mem_{task.member}"
            try:
                task_id = await self.make(f"proj_{task.project}", wish, member)
            except Conflict:
                # What it was to wait for has failed meanwhile.
                wish = wish.model_copy(update={"depends_on": []})
                task_id = await self.make(f"proj_{task.project}", wish, member)
            self.task_ids.append(task_id)
            self.tell_queue()
            if task.cancelled_after is not None:
                self.network.later(task.cancelled_after, self.change_mind, task_id)

    async def make(self, project_id: str, wish: TaskInput, member_id: str | None) -> str:
        async with self.database.transaction() as connection:
            return await create_task(connection, TENANT, project_id, wish, member_id=member_id)

    def tell_queue(self) -> None:
        for replica in self.network.replicas:
            if replica.node.alive:
                self.loop.call_soon_in(replica.node, queue_changed, replica.services)
                return

    # The faults.

    def note_presence(self) -> None:
        """Called after whatever may have taken the last coordinator away, or brought the first one back."""
        there = self.loop.now >= self.away_until and any(
            one.node.alive and not one.node.paused for one in self.network.replicas
        )
        if not there and self.away_since is None:
            self.away_since = self.loop.now
        elif there and self.away_since is not None:
            if self.loop.now - self.away_since > LONG_ABSENCE_SECONDS:
                self.back_since = self.loop.now
            self.away_since = None

    async def happen(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        if self.traced:
            self.say(f"FAULT {fault.kind} {fault.target} for {fault.seconds:.1f} s")
        self.under_way += 1
        try:
            await self.do(fault)
        finally:
            self.under_way -= 1

    async def do(self, fault: Fault) -> None:
        machine = self.machines[fault.target % len(self.machines)]
        match fault.kind:
            case "kill-worker" | "wipe-worker":
                await self.kill_worker(machine, fault)
            case "pause-worker":
                await self.pause(machine.process.node if machine.process else None, fault.seconds)
            case "cut-worker":
                await self.cut(machine, fault.seconds)
            case "drain-worker":
                await self.drain(machine, fault.seconds)
            case "kill-coordinator":
                await self.kill_coordinator(fault)
            case "pause-coordinator":
                await self.pause(self.pick_replica(fault).node, min(fault.seconds, 40.0))
            case "database-away":
                self.away_until = max(self.away_until, self.loop.now + min(fault.seconds, 60.0))
                self.note_presence()
                await asyncio.sleep(min(fault.seconds, 60.0))
                self.note_presence()
            case "cancel-task" | "retry-task":
                await self.ask(fault)

    async def kill_worker(self, machine: Machine, fault: Fault) -> None:
        process = machine.process
        if process is None or not process.node.alive:
            return
        process.kill()
        self.forget_ledgers(process)
        machine.link.break_off()
        if fault.kind == "wipe-worker":
            machine.wipe()
        await asyncio.sleep(fault.seconds)
        if machine.process is process:
            self.start_worker(machine)

    def forget_ledgers(self, process: WorkerNode) -> None:
        """What its executions had used and not told is known to nobody any more."""
        if self.forge.provider is not None:
            self.forge.provider.unsure.update(process.held)

    async def pause(self, node: Node | None, seconds: float) -> None:
        if node is None or node.paused:
            return
        node.paused = True
        self.note_presence()
        await asyncio.sleep(seconds)
        self.loop.resume(node)
        self.note_presence()

    async def cut(self, machine: Machine, seconds: float) -> None:
        machine.link.cut = True
        machine.link.break_off()
        await asyncio.sleep(seconds)
        machine.link.cut = False

    async def drain(self, machine: Machine, seconds: float) -> None:
        process = machine.process
        if process is None or not process.node.alive or process.loop is None:
            return
        draining = self.loop.spawn(process.node, process.loop.drain(seconds))
        await asyncio.wait({draining}, timeout=seconds + 60.0)
        process.kill()
        self.forget_ledgers(process)
        await asyncio.sleep(1.0)
        if machine.process is process:
            self.start_worker(machine)

    def pick_replica(self, fault: Fault) -> CoordinatorNode:
        return self.network.replicas[fault.target % len(self.network.replicas)]

    async def kill_coordinator(self, fault: Fault) -> None:
        replica = self.pick_replica(fault)
        if not replica.node.alive:
            return
        replica.kill()
        self.database.advisory.drop_dead()
        self.note_presence()
        await asyncio.sleep(min(fault.seconds, 60.0))
        self.network.replicas.remove(replica)
        self.start_replica(len(self.network.replicas) + 10)
        self.note_presence()

    async def ask(self, fault: Fault) -> None:
        """A person cancels a task or tries it again, where that is possible."""
        if not self.task_ids:
            return
        task_id = self.task_ids[fault.target % len(self.task_ids)]
        await self.ask_for(task_id, cancel=fault.kind == "cancel-task")

    def change_mind(self, task_id: str) -> None:
        self.loop.create_task(self.ask_for(task_id, cancel=True))

    async def ask_for(self, task_id: str, *, cancel: bool) -> None:
        try:
            async with self.database.transaction() as connection:
                if cancel:
                    await cancel_task(connection, TENANT, task_id)
                else:
                    await retry_task(connection, TENANT, task_id, resume=False, member_id=None)
        except (IllegalTransition, Conflict):
            return
        self.tell_queue()


def shown(values: dict[str, Any]) -> str:
    text = " ".join(
        f"{name}={value}" for name, value in values.items() if name not in ("position", "version")
    )
    return text[:300]


def project_row(project_id: str, max_tries: int) -> dict[str, Any]:
    return {
        "id": project_id,
        "tenant_id": TENANT,
        "name": project_id,
        "repository": f"/srv/{project_id}.git",
        "forge": "simulated",
        "default_branch": "main",
        "agent": {"name": "simulated", "settings": {}},
        "setup_commands": [],
        "verify_commands": [],
        "limits": {"prepare_seconds": 60.0, "implement_seconds": 300.0, "publish_seconds": 200.0},
        "retry": {"max_tries": max_tries, "backoff_seconds": 5.0},
        "text_policy": {},
        "change_rules": {},
        "labels": [],
        "automation": "running",
        "workflow_nodes": [],
        "isolation": {},
        "next_task_number": 1,
    }


def worker_row(worker_id: str, labels: list[str], slots: int) -> dict[str, Any]:
    return {
        "id": worker_id,
        "tenant_id": TENANT,
        "state": "offline",
        "drains_itself": False,
        "protocol_version": PROTOCOL_VERSION,
        "labels": labels,
        "slots": slots,
        "lease_expires_at": None,
    }


def run_history(seed: str, mutation: str | None = None, *, traced: bool = False) -> Verdict:
    """Runs in this thread, in no time but its own.

    No garbage is collected within it: a finalizer would run at a moment that no seed decides. Its remains go
    all at once, while they are young, which also takes less time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return live_through(seed, MUTATIONS[mutation] if mutation else None, traced=traced)
    finally:
        gc.collect(0)
        if was_enabled:
            gc.enable()


def live_through(seed: str, mutation: Mutation | None, *, traced: bool) -> Verdict:
    history = History(seed, mutation, traced=traced)
    loop = history.loop
    loop.set_exception_handler(lambda _, context: history.complain(str(context.get("exception") or context)))
    with replaced(loop, seed, history.wrote, history.complain):
        undo = mutation.apply() if mutation else None
        try:
            loop.run_until_complete(loop.create_task(history.run()))
        except Stalled:
            history.oracle.violated("everything waits for ever")
        finally:
            if undo is not None:
                undo()
            loop.finish()
    states: dict[str, int] = {}
    for task in history.tables.tasks.values():
        states[task["state"]] = states.get(task["state"], 0) + 1
    return Verdict(seed, history.oracle.violations, loop.now, states, history.trace)
