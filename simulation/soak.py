"""Thousands of real tasks through real processes that are killed, cut off and restarted all the time.

Postgres, coordinator, workers and their agents are the real programs with real git; only the tasks are small.
At the end the database, the forge and every log byte are compared: ``make soak TASKS=n``.
"""

import argparse
import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import zstandard
from tests.fault_proxy import FaultProxy
from tests.repositories import branches_of, make_bare_clone, make_repository

from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.errors import DRIVER_AWAY
from pullyard.store.migrate import migrate
from simulation.processes import Child, Site, spoken

PROJECTS = 4
ENQUEUED_AHEAD = 40
LINES = 60
PAUSE_SECONDS = (1.0, 6.0)
REPORT_SECONDS = 15.0
FAULTS = ("kill-coordinator", "kill-worker", "kill-agent", "kill-postgres", "cut", "stop-worker")
WEIGHTS = (3, 5, 3, 1, 4, 2)
SETTINGS = {
    "PULLYARD_MAX_RUNNING": "16",
    "PULLYARD_ARCHIVE_AFTER_SECONDS": "1000000",
    "PULLYARD_LOG_LEVEL": "warning",
    # A worker that is killed all the time is not at fault.
    "PULLYARD_QUARANTINE_FAILURES": "0",
}
UNFINISHED = "SELECT count(*) FROM tasks WHERE state NOT IN ('completed', 'failed', 'cancelled')"


def words_of(number: int) -> bytes:
    """What the agent of a task prints: no two tasks print the same."""
    return b"".join(b"task %d line %d\n" % (number, line) for line in range(1, LINES + 1))


def script_of(number: int) -> str:
    loop = f'i=1; while [ $i -le {LINES} ]; do echo "task {number} line $i"; i=$((i+1)); done'
    # Long enough to be hit now and then.
    result = f"mkdir -p done; echo {number} > done/{number}.txt"
    return f"sleep 0.{number % 7}; {loop}; sleep 0.{number % 5}; {result}"


@dataclass
class Soak:
    site: Site
    postgres: EmbeddedPostgres
    proxy: FaultProxy
    workers: int
    tasks: int
    dice: random.Random
    repositories: list[Path]
    coordinator: Child | None = None
    running: dict[str, Child] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    projects: list[str] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)
    """The number of each task, by its id."""

    async def run(self, minutes: float) -> None:
        self.coordinator = await self.site.start_coordinator()
        await self.site.until_ready()
        for number, repository in enumerate(self.repositories):
            # A task may be killed often before it has its fair chance, so tries are not what is tested here.
            wish = {
                "name": f"soak-{number}",
                "repository": str(repository),
                "max_running": 4,
                "retry": {"max_tries": 10, "backoff_seconds": 0.2},
                "verify_commands": [["true"]],
            }
            self.projects.append((await self.site.post("/projects", wish, f"project-{number}"))["id"])
        for number in range(self.workers):
            await self.start_worker(f"worker-{number}")
        trouble = asyncio.create_task(self.make_trouble())
        feeding = asyncio.create_task(self.feed(time.monotonic() + minutes * 60))
        try:
            await asyncio.wait({trouble, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if trouble.done():
                # A soak without trouble would be no soak.
                trouble.result()
            await feeding
        finally:
            trouble.cancel()
            feeding.cancel()
            await asyncio.gather(trouble, feeding, return_exceptions=True)
        self.proxy.mend()
        for name, child in self.running.items():
            if child.running:
                os.killpg(child.process.pid, signal.SIGCONT)
            else:
                await self.start_worker(name)
        await self.until_left(0)

    async def start_worker(self, name: str) -> None:
        self.running[name] = await self.site.start_worker(name=name, slots=2, url=self.proxy.url)

    async def feed(self, end: float) -> None:
        """As many tasks as are wanted, or as the time allows; never many more than can be worked on."""
        told = time.monotonic()
        for number in range(self.tasks):
            if time.monotonic() > end:
                break
            if number % 10 == 0:
                await self.until_left(ENQUEUED_AHEAD)
            wish = {
                "title": f"Soak {number}",
                "agent": {"name": "command", "settings": {"command": script_of(number)}},
            }
            project = self.projects[number % len(self.projects)]
            task = await self.site.post(f"/projects/{project}/tasks", wish, f"task-{number}")
            self.made[task["id"]] = number
            if time.monotonic() - told > REPORT_SECONDS:
                told = time.monotonic()
                say(f"{len(self.made)} tasks made; {dict(self.happened)}")
        await self.until_left(5)

    async def until_left(self, most: int) -> None:
        while True:
            try:
                if await self.count(UNFINISHED) <= most:
                    return
            except DRIVER_AWAY:
                # It is one of those that are killed.
                pass
            await asyncio.sleep(0.5)

    async def count(self, statement: str) -> int:
        connection = await asyncpg.connect(self.site.database_url, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    async def make_trouble(self) -> None:
        while True:
            await asyncio.sleep(self.dice.uniform(*PAUSE_SECONDS))
            (kind,) = self.dice.choices(FAULTS, WEIGHTS)
            self.happened[kind] += 1
            match kind:
                case "kill-coordinator":
                    assert self.coordinator is not None
                    await self.coordinator.kill()
                    await asyncio.sleep(self.dice.choice((0.0, 0.5, 5.0)))
                    self.coordinator = await self.site.start_coordinator()
                case "kill-worker":
                    await self.kill_worker()
                case "kill-agent":
                    self.kill_agent()
                case "kill-postgres":
                    await asyncio.to_thread(self.kill_postgres)
                case "cut":
                    self.proxy.cut_off()
                    await asyncio.sleep(self.dice.choice((0.5, 2.0, 5.0)))
                    self.proxy.mend()
                case "stop-worker":
                    await self.stop_worker()

    async def kill_worker(self) -> None:
        name = self.dice.choice(sorted(self.running))
        child = self.running[name]
        # The worker alone or with all that it started: both happen.
        if self.dice.random() < 0.5:
            child.process.kill()
            await child.process.wait()
        else:
            await child.kill()
        await asyncio.sleep(self.dice.choice((0.0, 0.5, 6.0)))
        await self.start_worker(name)

    def kill_agent(self) -> None:
        listed = subprocess.run(["pgrep", "-f", "task .* line"], capture_output=True, text=True, check=False)
        mine = [int(pid) for pid in listed.stdout.split() if self.is_ours(int(pid))]
        if mine:
            os.kill(self.dice.choice(mine), signal.SIGKILL)

    def is_ours(self, pid: int) -> bool:
        """Below this run's directory, so that no process of anybody else is ever hit."""
        try:
            return str(self.site.root) in os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return False

    def kill_postgres(self) -> None:
        pid = int((self.postgres.cluster / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        self.postgres.stop()
        assert self.postgres.start() == self.site.database_url

    async def stop_worker(self) -> None:
        """Stopped for longer than a lease, and then it goes on as if nothing had been."""
        name = self.dice.choice(sorted(self.running))
        child = self.running[name]
        if child.running:
            os.killpg(child.process.pid, signal.SIGSTOP)
            await asyncio.sleep(6.0)
            if child.running:
                os.killpg(child.process.pid, signal.SIGCONT)

    # The verdict.

    async def judge(self) -> list[str]:
        wrong: list[str] = []
        connection = await asyncpg.connect(self.site.database_url)
        try:
            states = dict(await connection.fetch("SELECT state, count(*) FROM tasks GROUP BY state"))
            executions = dict(
                await connection.fetch(
                    "SELECT coalesce(reason, state), count(*) FROM task_executions GROUP BY 1 ORDER BY 1"
                )
            )
            say(f"tasks: {states}; executions: {executions}")
            if await connection.fetchval("SELECT count(*) FROM tasks") != len(self.made):
                wrong.append("there are other tasks than were made")
            wrong += await self.judge_changes(connection)
            wrong += await self.judge_logs(connection)
        finally:
            await connection.close()
        return wrong

    async def judge_changes(self, connection: Any) -> list[str]:
        wrong: list[str] = []
        rows = await connection.fetch(
            "SELECT t.id, t.state, p.repository, "
            "array_agg(c.branch) FILTER (WHERE c.id IS NOT NULL) AS branches, "
            "array_agg(c.commit) FILTER (WHERE c.id IS NOT NULL) AS commits FROM tasks t "
            "JOIN projects p ON p.id = t.project_id LEFT JOIN changes c ON c.task_id = t.id GROUP BY 1, 2, 3"
        )
        there = {str(path): branches_of(path) for path in self.repositories}
        for row in rows:
            number = self.made[row["id"]]
            branches = there[row["repository"]]
            mine = {
                name: commit for name, commit in branches.items() if f"/{number // PROJECTS + 1}-" in name
            }
            changes = dict(zip(row["branches"] or [], row["commits"] or [], strict=True))
            if row["state"] == "completed" and mine != changes:
                wrong.append(f"task {number}: the forge has {mine} and the database {changes}")
            if row["state"] == "completed" and len(changes) != 1:
                wrong.append(f"task {number}: {len(changes)} changes")
            if row["state"] != "completed":
                wrong.append(f"task {number} is {row['state']}")
        return wrong

    async def judge_logs(self, connection: Any) -> list[str]:
        wrong: list[str] = []
        executions = await connection.fetch("SELECT id, task_id, state FROM task_executions")
        for execution in executions:
            frames = await connection.fetch(
                "SELECT start_offset, size_bytes, data FROM log_chunks "
                "WHERE execution_id = $1 AND stream = 'implement' ORDER BY start_offset",
                execution["id"],
            )
            log = b"".join(
                zstandard.ZstdDecompressor().decompress(row["data"], max_output_size=row["size_bytes"])
                for row in frames
            )
            expected, said = words_of(self.made[execution["task_id"]]), spoken(log)
            whole = execution["state"] == "succeeded"
            same = hashlib.sha256(said).digest() == hashlib.sha256(expected).digest()
            if not (same if whole else expected.startswith(said)):
                wrong.append(f"{execution['id']} ({execution['state']}): the log is not what its agent said")
        say(f"{len(executions)} logs compared")
        return wrong


async def soak(tasks: int, workers: int, minutes: float, seed: str) -> int:
    with tempfile.TemporaryDirectory(prefix="pullyard-soak-", dir="/tmp") as place:
        root = Path(place)
        root.chmod(0o755)
        postgres = EmbeddedPostgres(root / "postgres")
        url = await asyncio.to_thread(postgres.start)
        repositories = [
            make_bare_clone(
                make_repository(root / f"work-{number}", {"README.md": "hello\n"}), root / f"{number}.git"
            )
            for number in range(PROJECTS)
        ]
        try:
            await asyncio.to_thread(lambda: asyncio.run(migrate(url)))
            site = await Site.open(root, url, **SETTINGS)
            try:
                async with FaultProxy(site.url) as proxy:
                    run = Soak(site, postgres, proxy, workers, tasks, random.Random(seed), repositories)
                    return await report(run, minutes)
            except BaseException:
                for log in root.glob("*.log"):
                    faults = [line for line in log.read_text(errors="replace").splitlines() if "rror" in line]
                    say("\n".join([f"{log.name}:", *faults[-30:]]))
                raise
            finally:
                await site.close()
        finally:
            await asyncio.to_thread(postgres.stop)


async def report(run: Soak, minutes: float) -> int:
    began = time.monotonic()
    await run.run(minutes)
    seconds = time.monotonic() - began
    wrong = await run.judge()
    for sentence in wrong[:20]:
        say(f"WRONG: {sentence}")
    say(
        f"{len(run.made)} tasks in {seconds:.0f} s, {sum(run.happened.values())} faults: {dict(run.happened)}"
    )
    say(f"{len(wrong)} things wrong")
    return 1 if wrong else 0


def say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation.soak", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1e6, help="make no further tasks after so long")
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    return asyncio.run(soak(given.tasks, given.workers, given.minutes, given.seed))


if __name__ == "__main__":
    sys.exit(main())
