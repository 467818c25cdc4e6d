"""The working copy as a container sees it: the directory itself, or an overlay that the engine mounts."""

import secrets
from pathlib import Path
from typing import Any

from pullyard.sandboxes.docker.container import labels
from pullyard.sandboxes.docker.engine import Engine, EngineLost, EngineRefused
from pullyard.sandboxes.protocol import WORKSPACE, Mount, SandboxSpec, SandboxUnavailable, Workspace

ROOT_OVERLAY = {"index": "off", "metacopy": "off", "redirect_dir": "nofollow"}
SPECIAL = (",", ":", "\\", '"')
"""They have a meaning in an overlay's options."""
ACCOUNT_DIRECTORY = "container"


class OverlayVolume:
    """One volume for all containers of a sandbox: an overlay may not be mounted twice."""

    def __init__(self, engine: Engine, spec: SandboxSpec) -> None:
        self.engine = engine
        self.spec = spec
        self.name = f"pullyard-{secrets.token_hex(12)}"
        self.made = False

    async def make(self) -> None:
        named = ",".join(f"{name}={value}" for name, value in overlay_layers(self.spec.workspace).items())
        options = {"type": "overlay", "device": "overlay", "o": named}
        wish = {"Name": self.name, "Driver": "local", "DriverOpts": options, "Labels": labels(self.spec)}
        # From here on, as an engine that is lost just then may have made it.
        self.made = True
        await self.engine.call("POST", "/volumes/create", wish)

    def mount(self) -> dict[str, Any]:
        options = {"NoCopy": True}
        return {"Type": "volume", "Source": self.name, "Target": WORKSPACE, "VolumeOptions": options}

    async def remove(self) -> None:
        if self.made:
            await remove_volume(self.engine, self.name)
            self.made = False


def overlay_layers(workspace: Workspace) -> dict[str, str]:
    """The options of the working copy's overlay. Raises SandboxUnavailable where they can't be written."""
    assert workspace.lower is not None
    layers = {"lowerdir": workspace.lower, "upperdir": workspace.upper, "workdir": workspace.work}
    for layer in layers.values():
        check_exists(layer)
        if any(letter in str(layer.resolve()) for letter in SPECIAL):
            raise SandboxUnavailable(
                f"{layer} can't be a layer of an overlay because of its letters: "
                "give the worker a data directory without comma, colon, quote and backslash."
            )
    return {name: str(layer.resolve()) for name, layer in layers.items()} | ROOT_OVERLAY


async def remove_volume(engine: Engine, name: str) -> None:
    """One that is gone is no mistake. Where the engine is away it is owed: see ``Owed``."""
    engine.owed.volumes.add(name)
    try:
        await engine.call("DELETE", f"/volumes/{name}", query={"force": "true"})
    except EngineLost:
        return
    except EngineRefused as refused:
        if refused.status != 404:
            raise
    engine.owed.volumes.discard(name)


def check_exists(place: Path) -> None:
    if not place.exists():
        raise SandboxUnavailable(f"{place} is to be seen in the sandbox but does not exist.")


def account_files(spec: SandboxSpec, account: str, home: str) -> list[Mount]:
    """A name for the account inside, as programs look theirs up. Beside the working copy, and as lasting."""
    place = spec.workspace.upper.parent / ACCOUNT_DIRECTORY
    place.mkdir(exist_ok=True)
    user, group = account.split(":")
    contents = {
        "passwd": f"root:x:0:0:root:/tmp:/bin/sh\nagent:x:{user}:{group}:agent:{home}:/bin/sh\n",
        "group": f"root:x:0:\nagent:x:{group}:\n",
    }
    for name, text in contents.items():
        temporary = place / f"{name}.{secrets.token_hex(4)}"
        temporary.write_text(text)
        temporary.rename(place / name)
    return [Mount(place / name, f"/etc/{name}") for name in contents]
