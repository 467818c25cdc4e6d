"""A private mount namespace per sandbox, where its workspace and extra mounts are put together.

One small process holds it: it waits for the end of its standard input, so that the namespace and every mount
in it are gone when the worker is, however the worker ended. Nothing is ever mounted on the host.

All sources are shown under one staging directory in memory. The sandbox's account enters them there, so the
parents of the real directories may be closed to it.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from pullyard.sandboxes.protocol import SandboxSpec, SandboxUnavailable
from pullyard.sandboxes.remedies import explain

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
STAGING_PLACES = ("/mnt", "/media", "/srv", "/opt")
"""Directories of every Linux system; the first one that hides none of the sources is covered."""

ROOT_OVERLAY = "index=off,metacopy=off,redirect_dir=nofollow"
USER_OVERLAY = "userxattr"

# Paths reach the overlay through symbolic links of plain names: its option string gives commas and colons a
# meaning, and a data directory may contain them.
PREPARE = """
set -eu
stage=$1 options=$2 lower=$3 upper=$4 work=$5
shift 5
mount -t tmpfs -o mode=0755,size=1m,nosuid,nodev pullyard "$stage"
mkdir "$stage/ws" "$stage/etc"
if [ -n "$lower" ]; then
    ln -s "$lower" "$stage/lower"
    ln -s "$upper" "$stage/upper"
    ln -s "$work" "$stage/work"
    mount -t overlay -o "lowerdir=$stage/lower,upperdir=$stage/upper,workdir=$stage/work,$options" \\
        pullyard "$stage/ws"
else
    mount --rbind "$upper" "$stage/ws"
fi
number=0
for source; do
    if [ -d "$source" ]; then mkdir "$stage/$number"; else : >"$stage/$number"; fi
    mount --rbind "$source" "$stage/$number"
    number=$((number + 1))
done
cd "$stage/etc"
printf 'root:x:0:0:root:/tmp:/bin/sh\\nagent:x:1000:1000:agent:/tmp:/bin/sh\\n' >passwd
printf 'root:x:0:\\nagent:x:1000:\\n' >group
printf '127.0.0.1 localhost\\n::1 localhost\\n' >hosts
printf 'passwd: files\\ngroup: files\\nhosts: files\\nservices: files\\nprotocols: files\\n' >nsswitch.conf
: >resolv.conf
cd /
echo ready
read -r _ || :
"""

ETC_FILES = ("passwd", "group", "hosts", "nsswitch.conf", "resolv.conf")


class MountNamespace:
    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.stage = ""
        self.holder: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Raises SandboxUnavailable with what the system said and what to do about it."""
        workspace = self.spec.workspace
        lower = str(workspace.lower.resolve()) if workspace.lower else ""
        upper, work = workspace.upper.resolve(), workspace.work.resolve()
        sources = [mount.outside.resolve() for mount in self.spec.mounts]
        self.stage = choose_stage([*sources, upper, work, *([Path(lower)] if lower else [])])
        private = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
        options = ROOT_OVERLAY if os.geteuid() == 0 else USER_OVERLAY
        words = ["unshare", *private, "sh", "-c", PREPARE, "pullyard", self.stage, options, lower]
        try:
            self.holder = await asyncio.create_subprocess_exec(
                *words,
                *map(str, (upper, work, *sources)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": SYSTEM_PATH, "LC_ALL": "C"},
                start_new_session=True,
            )
        except FileNotFoundError as missing:
            raise SandboxUnavailable(explain("unshare: not found")) from missing
        assert self.holder.stdout and self.holder.stderr
        if await self.holder.stdout.readline() != b"ready\n":
            said = await self.holder.stderr.read(4096)
            await self.close()
            raise SandboxUnavailable(explain(said.decode(errors="replace")))

    def entering(self) -> Sequence[str]:
        """The words before a program that run it inside this namespace."""
        if self.holder is None or self.holder.returncode is not None:
            raise SandboxUnavailable("The sandbox is not provisioned: call provision() before start().")
        private = ["--mount"] if os.geteuid() == 0 else ["--user", "--mount", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.holder.pid), *private, "--"]

    async def close(self) -> None:
        if self.holder is None:
            return
        holder, self.holder = self.holder, None
        with contextlib.suppress(ProcessLookupError):
            holder.kill()
        await holder.communicate()


def choose_stage(sources: Sequence[Path]) -> str:
    for place in STAGING_PLACES:
        if Path(place).is_dir() and not any(source.is_relative_to(place) for source in sources):
            return place
    raise SandboxUnavailable(f"One of the directories {', '.join(STAGING_PLACES)} must exist and be unused.")
