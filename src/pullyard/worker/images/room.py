"""How much an image may take, and how much of the engine's disk has to stay free."""

from dataclasses import dataclass
from pathlib import Path

from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.worker.disk import free_bytes

OTHERS_BYTES = 1 << 30
"""What other programs may write to the same disk meanwhile."""


@dataclass(frozen=True)
class Room:
    image_bytes: int = 16 << 30
    """Most bytes of an image that is pulled or built."""
    free_bytes: int = 1 << 30
    """What has to stay free of the engine's disk."""


class DiskWatch:
    """Looks at the engine's disk itself, whatever the engine says of a work, from when this was opened."""

    def __init__(self, root: Path | None, room: Room) -> None:
        self.root = root
        self.room = room
        self.free_at_first = self.free()

    @classmethod
    async def open(cls, engine: Engine, room: Room) -> "DiskWatch":
        """It sees nothing where the engine's directory is not on this machine. Raises EngineRefused."""
        told = await engine.call("GET", "/info") or {}
        root = Path(str(told.get("DockerRootDir") or "/nowhere"))
        return cls(root if root.is_dir() else None, room)

    def free(self) -> int:
        return free_bytes(self.root) if self.root else self.room.free_bytes

    def problem(self) -> str:
        """What a work did to the disk, as the end of a sentence; empty where it may go on."""
        free = self.free()
        if free < self.room.free_bytes:
            return f"left less than {self.room.free_bytes >> 20} MiB of the engine's disk"
        # A layer lies there packed and unpacked for a while.
        most = 2 * self.room.image_bytes + OTHERS_BYTES
        if self.free_at_first - free > most:
            return f"took more than {most >> 20} MiB of the engine's disk"
        return ""


async def remove_image(engine: Engine, name: str) -> bool:
    """Whether it is gone; a container may still need it."""
    try:
        await engine.call("DELETE", f"/images/{name}")
    except EngineRefused as refused:
        return refused.status == 404
    return True
