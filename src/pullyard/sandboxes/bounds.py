"""Each limit of a sandbox, driven against for real: what a sandbox says of itself is not asked.

A script prints ``all`` where it got everything that its limit forbids. One that is stopped, fails, or hangs
in vain has been held. Time and output are not here: they are bounded from outside, see ``Process.kill``.
"""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pullyard.sandboxes.protocol import Command, Limits, Sandbox, SandboxSpec, Workspace

MEBIBYTE = 1 << 20
TRIAL_SECONDS = 20.0
PRINTED_BYTES = 4096


@dataclass(frozen=True)
class Trial:
    limits: Limits
    script: str


TRIALS: Mapping[str, Trial] = {
    # The last line of ``times`` is what the shell's children took: 0m0.04s where it holds. There are several,
    # in sessions of their own, as one alone would get little of a busy machine even so.
    "cpus": Trial(
        Limits(cpus=0.05),
        "for i in 1 2 3 4; do setsid timeout 0.5 sh -c 'while :; do :; done' & done; wait; times >/tmp/t;"
        " tail -n 1 /tmp/t | grep -q '^0m0[.]0' || echo all",
    ),
    "memory_bytes": Trial(
        Limits(memory_bytes=48 * MEBIBYTE),
        '[ "$(head -c 134217728 /dev/zero | tail -c 134217728 | wc -c)" -eq 134217728 ] && echo all',
    ),
    "processes": Trial(
        Limits(processes=40),
        "i=0; while [ $i -lt 80 ]; do sleep 5 & i=$((i + 1)); done; echo all",
    ),
    "disk_bytes": Trial(
        Limits(disk_bytes=16 * MEBIBYTE),
        "head -c 67108864 /dev/zero >fill && sleep 6 && echo all",
    ),
    "inodes": Trial(
        Limits(inodes=200),
        "i=0; while [ $i -lt 500 ]; do : >$i || exit; i=$((i + 1)); done; sleep 6; echo all",
    ),
    "file_size_bytes": Trial(
        Limits(file_size_bytes=MEBIBYTE),
        "head -c 4194304 /dev/zero >fill && echo all",
    ),
    "open_files": Trial(
        Limits(open_files=64),
        "tee $(seq 200) </dev/null >/dev/null && echo all",
    ),
}

LACKS = (
    "for need in grep head seq setsid tail tee timeout wc; do command -v $need >/dev/null || echo $need; done"
)
"""Prints the programs that are missing: without one of them a script would end as if it had been held."""


async def try_bounds(sandbox: Sandbox) -> dict[str, bool]:
    """For each limit whether it held, in fresh sandboxes of the same kind and account, side by side."""
    names = list(TRIALS)
    held = await asyncio.gather(*(holds(sandbox, TRIALS[name]) for name in names))
    return dict(zip(names, held, strict=True))


async def holds(like: Sandbox, trial: Trial) -> bool:
    place = like.spec.workspace.upper.parent
    with tempfile.TemporaryDirectory(dir=place) as scratch, tempfile.TemporaryFile() as printed:
        spec = replace(like.spec, workspace=layers(Path(scratch), like.spec), limits=trial.limits)
        sandbox = type(like)(spec)
        try:
            await sandbox.provision()
            process = await sandbox.start(Command(["sh", "-c", trial.script], stdout=printed.fileno()))
            try:
                async with asyncio.timeout(TRIAL_SECONDS):
                    await process.wait()
            except TimeoutError:
                await process.kill()
        finally:
            await sandbox.destroy()
        printed.seek(0)
        return b"all" not in printed.read(PRINTED_BYTES)


def layers(scratch: Path, spec: SandboxSpec) -> Workspace:
    scratch.chmod(0o755)
    places = [scratch / name for name in ("upper", "work", "lower")]
    for place in places:
        place.mkdir()
        if spec.uid is not None:
            os.chown(place, spec.uid, spec.uid)
    return Workspace(places[0], places[1], places[2] if spec.workspace.lower else None)
