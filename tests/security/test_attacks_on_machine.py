"""What hostile code takes of the machine, and of whoever runs beside it, in every kind of sandbox."""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pullyard.sandboxes.cgroups.find import hierarchies
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import Command, ContainerSettings, Limits, Sandbox
from pullyard.sandboxes.registry import SANDBOXES
from tests.attack_catalogue import ISOLATED
from tests.bad_runs import linger, processes
from tests.docker_engine import BASE_IMAGE
from tests.sandbox_places import FORK_UNTIL_REFUSED, UID, first_line, make_ready, run, sandbox_at

pytestmark = pytest.mark.parametrize("backend", ISOLATED)

MIB = 1 << 20
CONTROLLERS = {controller for hierarchy in hierarchies() for controller in hierarchy.controllers}
TAKE_EVERYTHING = """
import os
try:
    while os.fork():
        pass
except OSError:
    print("up", flush=True)
held = []
while True:
    held.append(bytes(range(256)) * 64)
    if len(held) > 64:
        held.clear()
"""
REACH_A_NEIGHBOUR = """
import glob, os, signal, socket, sys
word, place = sys.argv[1][::-1], sys.argv[2]
got = []
for name in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        got += ["process"] * (word.encode() in open(name, "rb").read())
    except OSError:
        pass
for attempt in (
    lambda: os.listdir(place),
    lambda: open(place + "/greeting").read(),
    lambda: socket.socket(socket.AF_UNIX).connect("\\0" + word),
    lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 2),
):
    try:
        got.append(repr(attempt()))
    except OSError:
        pass
print(got)
for number in range(2, 40000):
    if number != os.getpid():
        try:
            os.kill(number, signal.SIGKILL)
        except OSError:
            pass
"""
LISTEN = """
import socket, sys
unix = socket.socket(socket.AF_UNIX)
unix.bind("\\0" + sys.argv[1])
unix.listen()
port = socket.create_server(("127.0.0.1", 0))
print(port.getsockname()[1], flush=True)
sys.stdin.read() or port.accept()
"""
ROUNDS = 5


@asynccontextmanager
async def sandbox_with(backend: str, place: Path, limits: Limits, account: int = 0) -> AsyncIterator[Sandbox]:
    """``account`` tells neighbours apart, as each slot of a worker has one of its own."""
    place.mkdir(exist_ok=True)
    sandbox = sandbox_at(backend, place, limits=limits)
    if UID is not None:
        for path in (*place.iterdir(), *place.glob("*/*")):
            os.chown(path, UID + account, UID + account)
        sandbox = SANDBOXES[backend](replace(sandbox.spec, uid=UID + account))
    try:
        await sandbox.provision()
        yield sandbox
    finally:
        await sandbox.destroy()


async def ended(sandbox: Sandbox, *argv: str) -> tuple[int, str]:
    """The exit code of a command, and what it ran into."""
    process = await sandbox.start(Command(argv))
    async with asyncio.timeout(60):
        return await process.wait(), process.exceeded


def bounded(controller: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(controller not in CONTROLLERS, reason=f"no group with {controller} here")


@pytest.fixture(autouse=True)
def ready(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    make_ready(backend, tmp_path, request)


@pytest.mark.slow
@pytest.mark.attack("sandbox: ways out")
async def test_every_known_way_out_is_held(backend: str) -> None:
    measured = await probe(SANDBOXES[backend], containers=ContainerSettings(image=BASE_IMAGE))
    assert measured.available, measured.remedy
    assert [name for name, held in measured.escapes.items() if not held] == []


@pytest.mark.attack("resources: fork bomb")
async def test_a_fork_bomb_ends_at_its_limit(backend: str, tmp_path: Path) -> None:
    async with sandbox_with(backend, tmp_path, Limits(processes=60)) as sandbox:
        code, printed = await run(sandbox, "python3", "-c", FORK_UNTIL_REFUSED)
        assert code == 0
        assert int(printed) < 60
        assert await run(sandbox, "cat", "greeting") == (0, "hello\n")


@bounded("memory")
@pytest.mark.attack("resources: memory")
async def test_memory_ends_at_its_limit(backend: str, tmp_path: Path) -> None:
    async with sandbox_with(backend, tmp_path, Limits(memory_bytes=64 * MIB)) as sandbox:
        script = "head -c 300000000 /dev/zero | tail -c 250000000 | wc -c; exit 3"
        code, exceeded = await ended(sandbox, "sh", "-c", script)
        assert "64 MiB of memory" in exceeded
        assert code in (3, 137)


@pytest.mark.attack("resources: disk")
async def test_a_full_disk_is_the_sandbox_s_own(backend: str, tmp_path: Path) -> None:
    async with sandbox_with(backend, tmp_path, Limits(disk_bytes=16 * MIB)) as sandbox:
        code, exceeded = await ended(sandbox, "sh", "-c", "head -c 50000000 /dev/zero >fill; exec sleep 600")
        assert (code, exceeded) == (137, "The sandbox's workspace outgrew its 16 MiB of disk.")


@pytest.mark.attack("resources: inodes")
async def test_many_files_end_their_sandbox(backend: str, tmp_path: Path) -> None:
    async with sandbox_with(backend, tmp_path, Limits(inodes=200)) as sandbox:
        script = "mkdir d; touch d/$(seq -s ' d/' 500); exec sleep 600"
        code, exceeded = await ended(sandbox, "sh", "-c", script)
        assert (code, exceeded) == (137, "The sandbox's workspace outgrew its 200 files.")


@pytest.mark.attack("resources: disk")
@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
async def test_files_in_memory_are_bounded(backend: str, place: str, tmp_path: Path) -> None:
    small = Limits(temporary_bytes=MIB, shared_memory_bytes=MIB)
    async with sandbox_with(backend, tmp_path, small) as sandbox:
        script = f"for i in 1 2 3; do head -c 500000 /dev/zero >{place}/$i || exit 9; done"
        assert (await run(sandbox, "sh", "-c", script))[0] == 9


@pytest.mark.attack("resources: leftover daemons")
async def test_no_daemon_outlives_its_command(backend: str, tmp_path: Path) -> None:
    stays = linger()
    async with sandbox_with(backend, tmp_path, Limits()) as sandbox:
        script = f"(setsid {stays} &) ; trap '' TERM HUP; nohup setsid sh -c '{stays} & {stays}' & exit 0"
        assert (await run(sandbox, "sh", "-c", script))[0] == 0
        assert processes(stays) == []


@bounded("cpu")
@pytest.mark.attack("resources: a neighbour's latency", "resources: fork bomb", "resources: memory")
async def test_a_neighbour_goes_on_beside_one_who_takes_everything(backend: str, tmp_path: Path) -> None:
    greedy = Limits(processes=60, cpus=0.3, memory_bytes=128 * MIB)
    async with (
        sandbox_with(backend, tmp_path / "greedy", greedy) as hostile,
        sandbox_with(backend, tmp_path / "honest", Limits(), account=1) as neighbour,
    ):
        before = await pipelines(neighbour)
        attack, _ = await first_line(hostile, "python3", "-c", TAKE_EVERYTHING)
        beside = await pipelines(neighbour)
        await attack.kill()
        # On both sides of it, as whatever else the machine does may begin meanwhile.
        alone = max(before, await pipelines(neighbour))
    assert beside < 4 * alone + 0.2, (alone, beside)


async def pipelines(sandbox: Sandbox) -> float:
    """The middle one of several, in seconds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        assert await run(sandbox, "sh", "-c", "cat greeting | tr a-z A-Z") == (0, "HELLO\n")
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


@pytest.mark.attack("sandbox: a neighbour's files and processes")
async def test_neighbours_neither_see_nor_reach_one_another(backend: str, tmp_path: Path) -> None:
    word = f"pullyard-neighbour-{os.getpid()}"
    async with (
        sandbox_with(backend, tmp_path / "hostile", Limits()) as hostile,
        sandbox_with(backend, tmp_path / "honest", Limits(), account=1) as neighbour,
    ):
        process, port = await first_line(neighbour, "python3", "-c", LISTEN, word)
        place = str(neighbour.spec.workspace.lower)
        # Turned around, so that its own arguments don't hold the word.
        words = [word[::-1], place, port.strip()]
        code, printed = await run(hostile, "python3", "-c", REACH_A_NEIGHBOUR, *words)
        waiting = asyncio.create_task(process.wait())
        assert (code, printed) == (0, "[]\n")
        assert await run(neighbour, "cat", "greeting") == (0, "hello\n")
        assert not waiting.done(), "nobody ended it"
        await process.kill()
        await waiting
