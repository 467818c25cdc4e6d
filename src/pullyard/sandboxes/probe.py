"""What doctor measures: that a sandbox starts, how fast, and which of the known ways out it holds."""

import asyncio
import fcntl
import os
import secrets
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pullyard.sandboxes.bounds import LACKS, try_bounds
from pullyard.sandboxes.children import Child, Streams, own_mark, readable
from pullyard.sandboxes.escapes import ESCAPES, WITNESSED
from pullyard.sandboxes.protocol import (
    Command,
    ContainerSettings,
    Limits,
    Probe,
    Sandbox,
    SandboxSpec,
    SandboxUnavailable,
    Workspace,
)
from pullyard.sandboxes.remedies import mend_untried

NOBODY = 65534
SMALL = Limits(temporary_bytes=1 << 20, shared_memory_bytes=1 << 20)
STARTS = 5
PIPELINE = "echo a | cat | wc -c"
NOT_TRIED = 127


Heard = Callable[[str], None]
"""Told of each part as it begins."""


def unheard(_: str) -> None:
    pass


async def probe(
    backend: type[Sandbox],
    uid: int | None = None,
    heard: Heard = unheard,
    containers: ContainerSettings | None = None,
) -> Probe:
    """A second for bubblewrap. ``uid`` is the account tried where the worker is root; None: nobody's."""
    settings = containers or ContainerSettings()
    account = (uid or NOBODY) if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix=f"pullyard-{own_mark()}probe-") as scratch:
        refused = None
        for overlay in (True, False):
            layers = workspace_in(Path(scratch), account, overlay=overlay)
            sandbox = backend(SandboxSpec(layers, (), SMALL, account, containers=settings))
            phases: dict[str, float] = {}
            found = None
            try:
                heard("starts")
                with timed(phases, "provision"):
                    await sandbox.provision()
                with timed(phases, "first"):
                    await pipeline(sandbox)
                found = await measure(sandbox, Path(scratch), heard, overlay=overlay)
            except SandboxUnavailable as unavailable:
                refused = refused or str(unavailable)
            finally:
                with timed(phases, "destroy"):
                    await sandbox.destroy()
            if found is not None:
                return replace(found, phases=phases)
    return Probe(backend.name, available=False, remedy=refused)


def workspace_in(scratch: Path, account: int | None, *, overlay: bool) -> Workspace:
    layers = [scratch / f"{name}-{overlay}" for name in ("upper", "work", "lower")]
    for layer in layers:
        layer.mkdir()
        if account is not None:
            os.chown(layer, account, account)
    return Workspace(layers[0], layers[1], layers[2] if overlay else None)


@contextmanager
def timed(phases: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    phases[name] = time.perf_counter() - began


async def pipeline(sandbox: Sandbox) -> float:
    """Some runtimes start a program and fail at two: how many seconds a pipeline took."""
    began = time.perf_counter()
    code, printed = await run(sandbox, PIPELINE)
    if code != 0 or printed.strip() != b"2":
        raise SandboxUnavailable(
            f"A pipeline failed in the sandbox with exit code {code}: {printed[:200]!r}."
        )
    return time.perf_counter() - began


async def measure(sandbox: Sandbox, scratch: Path, heard: Heard, *, overlay: bool) -> Probe:
    seconds = [await pipeline(sandbox) for _ in range(STARTS)]
    heard("escapes")
    # Nothing is held where nothing is closed off, and trying it there would harm the host.
    unsafe = sandbox.name == "unsafe-directory"
    escapes = dict.fromkeys([*ESCAPES, *WITNESSED], False) if unsafe else await try_escapes(sandbox, scratch)
    heard("limits")
    lacking = (await run(sandbox, LACKS))[1].decode(errors="replace").split()
    return Probe(
        sandbox.name,
        available=True,
        start_seconds=statistics.median(seconds),
        overlay=overlay,
        escapes=escapes,
        bounds={} if unsafe or lacking else await try_bounds(sandbox),
        remedy=mend_untried(lacking) if lacking else None,
    )


async def run(sandbox: Sandbox, script: str, *words: str) -> tuple[int, bytes]:
    """The exit code and the first 4 KiB printed; what is still being written by then is not awaited."""
    with tempfile.TemporaryFile() as printed:
        command = Command(["sh", "-c", script, "sh", *words], stdout=printed.fileno())
        process = await sandbox.start(command)
        code = await process.wait()
        printed.seek(0)
        return code, printed.read(4096)


async def try_escapes(sandbox: Sandbox, scratch: Path) -> dict[str, bool]:
    secret = scratch / "secret"
    secret.write_text("secret\n")
    scratch.chmod(0o755)
    halves = secrets.token_hex(8), secrets.token_hex(8)
    reader, writer = os.pipe()
    witness = Child(["sh", "-c", "read -r _", "".join(halves)], Streams(stdin=reader))
    leak = os.open(secret, os.O_RDONLY)
    fcntl.fcntl(leak, fcntl.F_SETFD, 0)
    with socket.create_server(("127.0.0.1", 0)) as port:
        port.settimeout(0)
        words = [str(secret), str(witness.id), *halves, str(port.getsockname()[1])]
        try:
            codes = {name: (await run(sandbox, script, *words))[0] for name, script in ESCAPES.items()}
            held = {name: code != 0 for name, code in codes.items() if code != NOT_TRIED}
            await run(sandbox, WITNESSED["signal-host-process"], *words)
            held["signal-host-process"] = not witness.gone.done()
            await run(sandbox, WITNESSED["host-loopback"], *words)
            held["host-loopback"] = not connected(port)
            held["surviving-daemon"] = await daemon_ends(sandbox)
        finally:
            witness.kill()
            await witness.wait()
            for descriptor in (reader, writer, leak):
                os.close(descriptor)
    return held


def connected(port: socket.socket) -> bool:
    try:
        port.accept()[0].close()
    except BlockingIOError:
        return False
    return True


async def daemon_ends(sandbox: Sandbox) -> bool:
    """A daemon keeps its output open; with the command over, nobody may."""
    reader, writer = os.pipe()
    try:
        script = WITNESSED["surviving-daemon"]
        process = await sandbox.start(Command(["sh", "-c", script], stdout=writer))
        os.close(writer)
        await process.wait()
        async with asyncio.timeout(5):
            await readable(reader)
    except TimeoutError:
        return False
    finally:
        os.close(reader)
    return True
