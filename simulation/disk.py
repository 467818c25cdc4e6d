"""A worker's disk in memory: as much of ``pathlib.Path`` as its loop, its journals and its logs use.

A history writes and looks at a few hundred files, and a system call for each took a fifth of its time.
"""

from collections.abc import Callable
from fnmatch import fnmatch
from typing import NamedTuple


class Stat(NamedTuple):
    st_size: int


class Disk:
    """It outlives the processes that use it, until it is wiped."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.directories = {""}

    def remove(self, tree: "Place") -> None:
        """All that is below, and the directory itself. Repeatable."""
        text, below = tree.text, f"{tree.text}/"
        for path in [path for path in self.files if path.startswith(below)]:
            del self.files[path]
        self.directories = {path for path in self.directories if path != text and not path.startswith(below)}


class Place:
    """A path of a disk."""

    __slots__ = ("disk", "text")

    def __init__(self, disk: Disk, text: str = "") -> None:
        self.disk = disk
        self.text = text

    def __truediv__(self, name: str) -> "Place":
        return Place(self.disk, f"{self.text}/{name}")

    def __str__(self) -> str:
        return self.text

    def __lt__(self, other: "Place") -> bool:
        return self.text < other.text

    @property
    def parent(self) -> "Place":
        return Place(self.disk, self.text.rpartition("/")[0])

    @property
    def name(self) -> str:
        return self.text.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]

    def exists(self) -> bool:
        return self.text in self.disk.files or self.text in self.disk.directories

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        if self.exists():
            if not exist_ok:
                raise FileExistsError(self.text)
            return
        above = self.parent
        if parents and above.text not in self.disk.directories:
            above.mkdir(parents=True)
        check_directory(above)
        self.disk.directories.add(self.text)

    def stat(self) -> Stat:
        return Stat(len(self.read_bytes()))

    def read_bytes(self) -> bytes:
        try:
            return self.disk.files[self.text]
        except KeyError:
            raise FileNotFoundError(self.text) from None

    def write_bytes(self, content: bytes) -> None:
        check_directory(self.parent)
        self.disk.files[self.text] = content

    def unlink(self, *, missing_ok: bool = False) -> None:
        if self.disk.files.pop(self.text, None) is None and not missing_ok:
            raise FileNotFoundError(self.text)

    def glob(self, pattern: str) -> "list[Place]":
        """Files alone. A star stands for a part of one name."""
        wanted = f"{self.text}/{pattern}"
        depth = wanted.count("/")
        return [
            Place(self.disk, path)
            for path in self.disk.files
            if path.count("/") == depth and fnmatch(path, wanted)
        ]

    def open(self, mode: str, *, buffering: int = -1) -> "OpenFile":
        del buffering
        if mode == "rb":
            self.read_bytes()
        elif self.text not in self.disk.files:
            self.write_bytes(b"")
        return OpenFile(self)


class OpenFile:
    """To be read from a place on, or appended to."""

    def __init__(self, path: Place) -> None:
        self.path = path
        self.at = 0

    def __enter__(self) -> "OpenFile":
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def seek(self, offset: int) -> None:
        self.at = offset

    def read(self, size: int) -> bytes:
        data = self.path.read_bytes()[self.at : self.at + size]
        self.at += len(data)
        return data

    def write(self, data: bytes) -> None:
        self.path.disk.files[self.path.text] += data


def size_bytes(path: Place) -> int:
    """0 for a file that is not there."""
    return len(path.disk.files.get(path.text, b""))


def check_directory(place: Place) -> None:
    if place.text not in place.disk.directories:
        raise FileNotFoundError(place.text)


def replace_file(
    path: Place, content: bytes, *, mode: int = 0o600, before_rename: Callable[[], None] | None = None
) -> None:
    """Stands where ``pullyard.files.writes.replace_file`` stands: no reader ever sees a part."""
    del mode
    if before_rename is not None:
        before_rename()
    path.write_bytes(content)


def rename_durably(source: Place, target: Place) -> None:
    """Stands where ``pullyard.files.writes.rename_durably`` stands, for a file."""
    target.write_bytes(source.read_bytes())
    source.unlink()


def sync_directory(directory: Place) -> None:
    """Nobody pulls a plug in a history."""
    check_directory(directory)
