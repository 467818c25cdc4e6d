"""What a container is made from: it must be here already; nothing is fetched while a task waits."""

import platform as machine
from collections.abc import Sequence
from dataclasses import dataclass

from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.sandboxes.protocol import SandboxUnavailable

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""As images name them, by the kernel's name."""


@dataclass(frozen=True)
class Image:
    id: str
    """By its content: what a name means may change while a sandbox is in use."""
    volumes: Sequence[str] = ()


async def find_image(engine: Engine, name: str, platform: str | None) -> Image:
    """Raises SandboxUnavailable where it is missing or for another kind of machine, EngineRefused else."""
    try:
        found = await engine.call("GET", f"/images/{name}/json")
    except EngineRefused as refused:
        if refused.status != 404:
            raise
        raise SandboxUnavailable(
            f"The image {name} is not on this machine: fetch it with 'docker pull {name}', "
            "or name another one as the worker's docker_image or the project's image."
        ) from refused
    own = f"linux/{ARCHITECTURES.get(machine.machine(), machine.machine())}"
    made_for = f"{found['Os']}/{found['Architecture']}"
    if made_for != (platform or own):
        wanted = f"the project asks for {platform}" if platform else f"this machine is {own}"
        raise SandboxUnavailable(
            f"The image {name} is for {made_for}, and {wanted}: "
            f"fetch it with 'docker pull --platform {platform or own} {name}', or set the project's platform."
        )
    return Image(found["Id"], tuple((found.get("Config") or {}).get("Volumes") or ()))
