"""Ways out of the sandbox, tried for real; each would work without its guard."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.sandboxes.escapes import ESCAPES, WITNESSED
from pullyard.sandboxes.mount_namespace import STAGING_PLACES
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import Command, Limits, Mount, Sandbox, SandboxSpec, SandboxUnavailable
from pullyard.sandboxes.registry import SANDBOXES, usable
from tests.sandbox_places import FORK_UNTIL_REFUSED, UID, directory, first_line, run, sandbox_at, workspace

SMALL = Limits(processes=40, file_size_bytes=1 << 20, temporary_bytes=1 << 20, shared_memory_bytes=1 << 20)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    mounted = directory(tmp_path / "mounted", {"file": "seen\n"})
    written = directory(tmp_path / "written")
    mounts = [
        Mount(mounted, "/mirror"),
        Mount(mounted / "file", "/opt/one"),
        Mount(written, "/out", writable=True),
    ]
    made = sandbox_at("bubblewrap", tmp_path / "with, comma: and colon", mounts=mounts, limits=SMALL)
    await made.provision()
    yield made
    await made.destroy()


@pytest.mark.attack("sandbox: ways out", backend="bubblewrap")
async def test_every_known_way_out_is_held() -> None:
    measured = await probe(SANDBOXES["bubblewrap"])
    assert {name for name, held in measured.escapes.items() if not held} == set()
    assert set(measured.escapes) == {*ESCAPES, *WITNESSED}, "each could be tried"


@pytest.mark.parametrize("name", ["host-network", "gain-privileges", "unfiltered-calls", "host-environment"])
def test_an_escape_is_noticed_where_nothing_holds_it(name: str) -> None:
    environment = {**os.environ, "CANARY": "1"}
    assert subprocess.run(["sh", "-c", ESCAPES[name]], env=environment, check=False).returncode == 0


async def test_the_best_sandbox_is_chosen_by_measuring() -> None:
    chosen = (await usable())[0]
    assert (chosen.name, chosen.available, chosen.overlay) == ("bubblewrap", True, True)


async def test_unsafe_directory_is_never_a_fallback() -> None:
    with pytest.raises(SandboxUnavailable, match="Allow one of these sandboxes"):
        await usable(["unsafe-directory", "unknown"])
    assert not any((await usable(["unsafe-directory"]))[0].escapes.values())


async def test_a_missing_bubblewrap_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullyard.sandboxes.remedies.PROGRAMS", ("no-such-bwrap",))
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        await usable()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could forget to leave root behind")
async def test_root_never_runs_a_sandbox_as_itself(tmp_path: Path) -> None:
    for uid in (None, 0):
        spec = SandboxSpec(workspace(tmp_path, overlay=True), uid=uid)
        with pytest.raises(SandboxUnavailable, match="account"):
            await SANDBOXES["bubblewrap"](spec).provision()


@pytest.mark.attack("resources: fork bomb", backend="bubblewrap")
async def test_a_fork_bomb_stays_within_the_limit(sandbox: Sandbox) -> None:
    code, printed = await run(sandbox, "/usr/bin/python3", "-c", FORK_UNTIL_REFUSED)
    assert code == 0
    assert SMALL.processes // 2 < int(printed) < SMALL.processes


async def test_a_file_stays_within_the_limit(sandbox: Sandbox) -> None:
    code, _ = await run(sandbox, "head", "-c", "2000000", "/dev/zero")
    await run(sandbox, "sh", "-c", "head -c 2000000 /dev/zero >big")
    assert (sandbox.spec.workspace.upper / "big").stat().st_size == SMALL.file_size_bytes
    assert code != 0, "the worker's own output files are bounded too"


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
async def test_files_in_memory_stay_within_the_limit(sandbox: Sandbox, place: str) -> None:
    code, _ = await run(
        sandbox, "sh", "-c", f"for i in 1 2 3; do head -c 500000 /dev/zero >{place}/$i || exit 9; done"
    )
    assert code == 9


async def test_nothing_but_the_workspace_memory_and_writable_mounts_can_be_written(sandbox: Sandbox) -> None:
    script = "for d in / /usr /etc /dev /var /opt /mirror /ws /tmp /var/tmp /out; do"
    script += " (: >$d/probe) 2>/dev/null && echo $d; done; echo x >/opt/one"
    code, printed = await run(sandbox, "sh", "-c", script)
    assert code != 0
    assert printed.split()[:4] == ["/ws", "/tmp", "/var/tmp", "/out"]


async def test_the_lower_directory_is_never_changed(sandbox: Sandbox) -> None:
    lower = sandbox.spec.workspace.lower
    await run(sandbox, "sh", "-c", "chmod 777 . greeting; echo bad >greeting; rm greeting; touch more")
    assert lower is not None
    assert [path.name for path in lower.iterdir()] == ["greeting"]
    assert (lower / "greeting").read_text() == "hello\n"


async def test_no_mount_shows_on_the_host(sandbox: Sandbox) -> None:
    """The host has mounts of its own, which may change meanwhile: only places that a sandbox uses count."""
    await sandbox.destroy()
    before = mounts_of_sandboxes(sandbox)
    await sandbox.provision()
    process, seen = await first_line(sandbox, "sh", "-c", "grep -c overlay /proc/self/mounts; exec sleep 600")
    during = mounts_of_sandboxes(sandbox)
    await process.kill()
    assert int(seen) > 0
    assert during == before


def mounts_of_sandboxes(sandbox: Sandbox) -> list[str]:
    """The host's mounts over a place where a sandbox is staged, or of one of this sandbox's directories."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    own = str(sandbox.spec.workspace.upper.parent)
    return [line for line in mounts if own in line or line.split()[4].startswith(STAGING_PLACES)]


async def test_a_later_sandbox_goes_on_with_the_same_layers(sandbox: Sandbox) -> None:
    await run(sandbox, "sh", "-c", "rm greeting; mkdir -p a/b; echo made >a/b/c")
    await sandbox.destroy()
    later = SANDBOXES["bubblewrap"](sandbox.spec)
    await later.provision()
    assert await run(later, "sh", "-c", "ls; cat a/b/c; rm -r a") == (0, "a\nmade\n")
    await later.destroy()


@pytest.mark.attack("resources: leftover daemons", backend="bubblewrap")
async def test_a_daemon_of_its_own_session_ends_with_its_command(sandbox: Sandbox) -> None:
    reader, writer = os.pipe()
    daemon = "import os,signal\nif os.fork() == 0:\n os.setsid()\n os.fork()\n signal.pause()"
    process = await sandbox.start(Command(["python3", "-c", daemon], stdout=writer))
    os.close(writer)
    assert await process.wait() == 0
    with os.fdopen(reader, "rb") as printed:
        assert await asyncio.wait_for(asyncio.to_thread(printed.read), 60) == b""


async def test_arguments_and_environment_stay_out_of_the_hosts_process_list(sandbox: Sandbox) -> None:
    command = Command(["sh", "-c", "sleep 600"], environment={"GIVEN": "canary-of-the-environment"})
    process = await sandbox.start(command)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    await process.kill()
    assert not any(b"canary-of-the-environment" in line for line in lines)


async def test_the_account_inside_is_nobody_special(sandbox: Sandbox) -> None:
    _, printed = await run(sandbox, "id")
    assert printed == "uid=1000(agent) gid=1000(agent) groups=1000(agent)\n"
    await run(sandbox, "touch", "mine")
    assert (sandbox.spec.workspace.upper / "mine").stat().st_uid == (UID or os.getuid())


async def test_a_sandbox_that_was_not_provisioned_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="provision"):
        await sandbox_at("bubblewrap", tmp_path).start(Command(["true"]))


async def test_a_mount_that_is_missing_is_named(tmp_path: Path) -> None:
    made = sandbox_at("bubblewrap", tmp_path, mounts=[Mount(tmp_path / "gone", "/mirror")])
    with pytest.raises(SandboxUnavailable, match="gone"):
        await made.provision()
