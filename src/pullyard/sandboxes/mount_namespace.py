"""A private mount namespace per sandbox, where its root directory is put together.

One small process holds it: it waits for the end of its standard input, so that the namespace, every mount in
it and every process started in it are gone when the worker is, however the worker ended. Nothing is ever
mounted on the host.

All sources are shown under one staging directory in memory. The sandbox's account enters them there, so the
parents of the real directories may be closed to it.
"""

import marshal
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pullyard.sandboxes.assemble_root import LENGTH_BYTES
from pullyard.sandboxes.children import Child, Streams, own_mark, readable
from pullyard.sandboxes.protocol import WORKSPACE, SandboxSpec, SandboxUnavailable
from pullyard.sandboxes.remedies import explain
from pullyard.sandboxes.system_view import system_plan

ASSEMBLE = Path(__file__).with_name("assemble_root.py")
STAGING_PLACES = ("/mnt", "/media", "/srv", "/opt")
"""Directories of every Linux system; the first one that hides none of the sources is covered."""

ROOT_OVERLAY = "index=off,metacopy=off,redirect_dir=nofollow"
USER_OVERLAY = "userxattr"


class MountNamespace:
    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.stage = ""
        self.mark = (f"{spec.worker}-" if spec.worker else own_mark()) + secrets.token_hex(16)
        """In the environment of all that is started here, for the guard to know it by."""
        self.holder: Child | None = None
        self.held_open: int | None = None

    async def open(self) -> None:
        """Raises SandboxUnavailable with what the system said and what to do about it."""
        plan = marshal.dumps(self.plan())
        reader, self.held_open = os.pipe()
        said, saying = os.pipe()
        words = [sys.executable, "-I", "-S", str(ASSEMBLE)]
        self.holder = Child(words, Streams(stdin=reader, stdout=saying, stderr=subprocess.STDOUT))
        os.close(reader)
        os.close(saying)
        try:
            os.write(self.held_open, len(plan).to_bytes(LENGTH_BYTES, "big") + plan)
            await readable(said)
            answer = os.read(said, 4096)
        finally:
            os.close(said)
        if answer != b"ready\n":
            await self.close()
            raise SandboxUnavailable(explain(answer.decode(errors="replace")))

    def plan(self) -> dict[str, object]:
        workspace = self.spec.workspace
        layers = {"upper": str(workspace.upper.resolve())}
        if workspace.lower:
            layers = {
                "lower": str(workspace.lower.resolve()),
                **layers,
                "work": str(workspace.work.resolve()),
            }
        mounts = {mount.inside: str(mount.outside.resolve()) for mount in self.spec.mounts}
        sources = [*map(Path, layers.values()), *map(Path, mounts.values())]
        for source in sources:
            if not source.exists():
                raise SandboxUnavailable(f"{source} is to be seen in the sandbox but does not exist.")
        self.stage = choose_stage(sources)
        view = system_plan()
        binds = view["binds"] | ({} if workspace.lower else {WORKSPACE: layers["upper"]}) | mounts
        as_root = os.geteuid() == 0
        return {
            **view,
            "stage": self.stage,
            "mark": self.mark,
            "as_root": as_root,
            "workspace": WORKSPACE,
            "layers": layers if workspace.lower else {},
            "overlay_options": ROOT_OVERLAY if as_root else USER_OVERLAY,
            "binds": binds,
        }

    def entering(self) -> Sequence[str]:
        """The words before a program that run it inside this namespace, as the sandbox's account."""
        if self.holder is None or self.holder.gone.done():
            raise SandboxUnavailable("The sandbox is not provisioned: call provision() before start().")
        target = ["nsenter", "--target", str(self.holder.id), "--mount"]
        if os.geteuid() != 0:
            return [*target, "--user", "--preserve-credentials", "--"]
        return [*target, f"--setuid={self.spec.uid}", f"--setgid={self.spec.uid}", "--"]

    async def close(self) -> None:
        holder, self.holder = self.holder, None
        if self.held_open is not None:
            os.close(self.held_open)
            self.held_open = None
        if holder:
            holder.kill()
            await holder.wait()


def choose_stage(sources: Sequence[Path]) -> str:
    for place in STAGING_PLACES:
        if Path(place).is_dir() and not any(source.is_relative_to(place) for source in sources):
            return place
    raise SandboxUnavailable(f"One of the directories {', '.join(STAGING_PLACES)} must exist and be unused.")
