"""What an agent leaves behind for git, in every kind of sandbox: refused or shown, and never run outside."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pullyard.protocol.isolation import DEFAULT_PROTECTED_PATHS
from pullyard.sandboxes.protocol import Command, Sandbox
from pullyard.worker import trees
from pullyard.worker.harvest import Harvested, Source, harvest
from pullyard.worker.harvest_rules import HarvestRefused
from tests.attack_catalogue import ALL, ISOLATED
from tests.repositories import git_in
from tests.sandbox_places import make_ready
from tests.security.test_harvest_attacks import poisoned
from tests.workbench import TEXT, Workbench, run_inside

EMPTY = "find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +"
PERSON = "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a"
MODULES = "printf '[submodule \"a\"]\\n\\tpath = a\\n\\turl = {}\\n' >.gitmodules"
POINTER = "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 12345\\n' 1 >big.bin"
ELSEWHERE = (
    "rm -rf .git; mkdir -p other/objects other/refs; echo 'ref: refs/heads/main' >other/HEAD; "
    "printf '[core]\\n\\tfsmonitor = \"touch {marker}\"\\n' >other/config; echo x >>README.md"
)
SWAP = "while :; do ln -s {outside} d; rm d; mkdir d; echo honest >d/x; mv d e; rm -r e; done"
SECRET = "secret-of-the-worker"
SWAPS = 6


@dataclass
class Agent:
    """At work in its sandbox; ``deliver`` is what the worker does when it is done."""

    bench: Workbench
    sandbox: Sandbox
    source: Source

    async def do(self, script: str) -> None:
        await run_inside(self.sandbox, f"({PERSON}; {script}) >/dev/null 2>&1")

    async def deliver(self) -> Harvested | None:
        return await harvest(self.sandbox, self.bench.git, self.source, TEXT, guarded=DEFAULT_PROTECTED_PATHS)


@pytest.fixture
def bench(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Workbench:
    make_ready(backend, tmp_path, request)
    return Workbench.make(tmp_path, overlay=backend != "unsafe-directory", backend=backend)


@asynccontextmanager
async def at_work(bench: Workbench) -> AsyncIterator[Agent]:
    workspace, source = await bench.prepare()
    async with bench.sandbox(workspace, source.mirror) as sandbox:
        yield Agent(bench, sandbox, source)


@pytest.mark.attack("git: poisoned configuration", "git: hooks")
@pytest.mark.parametrize("backend", ALL)
async def test_a_repository_poisoned_in_every_way_runs_nothing(bench: Workbench, tmp_path: Path) -> None:
    outside = tmp_path / "marker"
    async with at_work(bench) as agent:
        inside = agent.sandbox.inside("marker")
        for vectors in (poisoned(str(outside)), poisoned(inside)):
            for script in vectors.values():
                await agent.do(script)
        # Its own git may have run them, where it may.
        await agent.do(f"rm -f {inside} {outside}; echo x >>README.md")
        work = await agent.deliver()
        assert work is not None
        await bench.verification(agent.source, work.commit)
        _, names = await run_inside(agent.sandbox, "ls")
    assert not outside.exists()
    assert "marker" not in names.split()
    assert "marker" not in git_in(work.repository, "ls-tree", "-r", "--name-only", work.commit).split()


@pytest.mark.attack("git: .git that leads elsewhere")
@pytest.mark.parametrize("backend", ALL)
async def test_a_git_directory_that_is_another_one_is_not_looked_at(bench: Workbench, tmp_path: Path) -> None:
    outside = tmp_path / "marker"
    for redirect in ("echo 'gitdir: other' >.git", "ln -s other .git", f"echo 'gitdir: {tmp_path}' >.git"):
        async with at_work(bench) as agent:
            await agent.do(f"{ELSEWHERE.format(marker=outside)}; {redirect}; rm -f {outside}")
            work = await agent.deliver()
        assert work is not None
        assert "README.md" in {file.path for file in work.diffstat.files}
        assert not outside.exists()
        trees.remove(bench.directory("one"))


REFUSED: dict[str, Sequence[tuple[str, str]]] = {
    "git: nested repositories": [
        ("git init -q nested; git -C nested commit -q --allow-empty -m x", "nested"),
        ("git init -q lib/nested; echo x >lib/nested/x", "nested"),
    ],
    "git: names that mean .git": [
        ("mkdir .GIT; echo x >.GIT/config", r"\.GIT"),
        ("mkdir -p a/git~1; echo x >a/git~1/config", "git~1"),
        ("n=$(printf '.g\\342\\200\\214it'); mkdir $n; echo x >$n/config", r"\.g"),
    ],
    "git: names that collide": [
        ("mkdir new; echo x >new/A; echo x >new/a", "same name"),
        ("echo x >\"$(printf 'caf\\303\\251')\"; echo x >\"$(printf 'cafe\\314\\201')\"", "same name"),
    ],
    "git: hostile submodules": [
        ("ln -s /etc/passwd .gitmodules", "gitmodules"),
        (MODULES.format("-u./x"), "gitmodules"),
    ],
    "git: Git LFS": [(POINTER, r"'big\.bin' is a new Git LFS pointer")],
}
SHOWN: dict[str, Sequence[tuple[str, str]]] = {
    "git: hostile submodules": [
        (MODULES.format('ext::sh -c "touch {marker}"'), ".gitmodules"),
        (MODULES.format("file:///etc"), ".gitmodules"),
    ],
    "paths: links out of the workspace": [
        ("ln -s /etc/passwd out", "out (a link out of the repository"),
        ("mkdir d; ln -s ../../.. d/up", "d/up (a link out of the repository"),
    ],
    "verify: files of continuous integration": [
        ("mkdir -p .github/workflows; echo x >.github/workflows/ci.yml", ".github/workflows/ci.yml"),
        ("mkdir -p .GitHub; ln -s .. .GitHub/workflows", ".GitHub/workflows"),
    ],
}


def rows(table: dict[str, Sequence[tuple[str, str]]]) -> list[object]:
    return [pytest.param(tries, id=row, marks=pytest.mark.attack(row)) for row, tries in table.items()]


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("tries", rows(REFUSED))
async def test_what_no_change_may_hold(bench: Workbench, tries: Sequence[tuple[str, str]]) -> None:
    async with at_work(bench) as agent:
        for script, named in tries:
            await agent.do(f"{EMPTY}; {script}")
            with pytest.raises(HarvestRefused, match=named):
                await agent.deliver()


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("tries", rows(SHOWN))
async def test_what_a_person_has_to_look_at(
    bench: Workbench, tries: Sequence[tuple[str, str]], tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    async with at_work(bench) as agent:
        for script, shown in tries:
            await agent.do(f"{EMPTY}; {script.replace('{marker}', str(marker))}")
            work = await agent.deliver()
            assert work is not None
            assert [path for path in work.protected if path.startswith(shown)], (script, work.protected)
            assert "root:" not in work.diff, "what a link leads to is not taken along"
    assert not marker.exists()


@pytest.mark.attack("paths: swapped while they are read")
@pytest.mark.parametrize("backend", ISOLATED)
async def test_what_is_swapped_while_it_is_read_leads_nowhere(bench: Workbench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text(SECRET)
    async with at_work(bench) as agent:
        swapping = await agent.sandbox.start(Command(["sh", "-c", SWAP.format(outside=outside)]))
        for _ in range(SWAPS):
            await agent.do("echo more >>README.md")
            with suppress(HarvestRefused):
                work = await agent.deliver()
                assert work is not None
                assert SECRET not in git_in(work.repository, "log", "-p", "--text", "-1", work.commit)
        await swapping.kill()


@pytest.mark.attack("paths: swapped while they are read")
async def test_removal_follows_nothing_that_is_swapped_meanwhile(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (outside / "kept").touch()
    stop = threading.Event()

    def swap() -> None:
        place = tree / "d"
        while not stop.is_set():
            with suppress(OSError):
                tree.mkdir(exist_ok=True)
                place.mkdir()
                (place / "x").touch()
                place.rename(tree / "e")
                place.symlink_to(outside)

    swapping = asyncio.create_task(asyncio.to_thread(swap))
    for _ in range(40):
        with suppress(OSError):
            await asyncio.to_thread(trees.remove, tree)
    stop.set()
    await swapping
    assert (outside / "kept").exists()
