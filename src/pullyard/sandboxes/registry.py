"""The sandboxes there are, by name, and the choice among them."""

from collections.abc import Sequence

from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import ContainerSettings, Probe, Sandbox, SandboxUnavailable
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory

SANDBOXES: dict[str, type[Sandbox]] = {
    "bubblewrap": Bubblewrap,
    "docker": DockerSandbox,
    "unsafe-directory": UnsafeDirectory,
}
"""The best first: of those that isolate, the one that starts in milliseconds, without a service or image."""

SAFE = tuple(name for name in SANDBOXES if name != UnsafeDirectory.name)


async def usable(
    allowed: Sequence[str] = SAFE, uid: int | None = None, containers: ContainerSettings | None = None
) -> list[Probe]:
    """The allowed sandboxes that start here and hold every escape tried just now, the best first.

    ``unsafe-directory`` is taken only where it is the only one allowed: that is its owner's explicit choice,
    and nothing ever falls back to it. Raises SandboxUnavailable, which says what to install or to set.
    """
    if tuple(allowed) == (UnsafeDirectory.name,):
        return [await probe(UnsafeDirectory, uid)]
    found: list[Probe] = []
    remedies: list[str] = []
    for name in SAFE:
        if name not in allowed:
            continue
        measured = await probe(SANDBOXES[name], uid, containers=containers)
        leaks = [escape for escape, held in measured.escapes.items() if not held]
        if measured.available and not leaks:
            found.append(measured)
        else:
            remedies.append(measured.remedy or f"{name} does not hold {', '.join(leaks)} on this machine.")
    if found:
        return found
    raise SandboxUnavailable(" ".join(remedies) or f"Allow one of these sandboxes: {', '.join(SAFE)}.")
