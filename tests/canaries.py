"""Secrets that must turn up nowhere, in none of the ways in which a leak would hide them."""

import base64
import os
import re
import subprocess
import urllib.parse
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import zstandard
from sqlalchemy import text

from pullyard.store.database import Database
from tests.leftovers import processes_of
from tests.system import System

HOSTS_OWN = {"bin", "dev", "lib", "lib32", "lib64", "libx32", "opt", "proc", "sbin", "usr"}
"""Of a sandbox's root: programs of the machine and of the agents, which it only reads."""
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


def forms(secret: str) -> list[bytes]:
    """As it is, turned around, in hexadecimal, in base64 wherever it begins, and for addresses."""
    raw = secret.encode()
    found = [raw, raw[::-1], raw.hex().encode(), raw.hex().upper().encode()]
    for before in range(3):
        # The first and the last characters depend on what is beside it.
        found.append(base64.b64encode(b"\0" * before + raw)[4 if before else 0 : -4])
        found.append(base64.urlsafe_b64encode(b"\0" * before + raw)[4 if before else 0 : -4])
    found.append(urllib.parse.quote(secret, safe="").encode())
    return list(dict.fromkeys(found))


def leaks(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where which secret is."""
    return [
        f"{secret[:12]}... in {place}"
        for place, content in places.items()
        for secret in secrets
        if any(form in content for form in forms(secret))
    ]


async def database_dump(database: Database) -> bytes:
    """Every row of every table as text; bytes are there in hexadecimal, and unpacked at the end."""
    async with database.transaction() as connection:
        names = (await connection.scalars(text(TABLES))).all()
        rows = [
            row for name in names for row in await connection.scalars(text(f'SELECT t::text FROM "{name}" t'))
        ]
    packed = re.findall(zstandard.FRAME_HEADER.hex() + "(?:[0-9a-f]{2})+", stored := "\n".join(rows))
    return stored.encode() + unpacked(bytes.fromhex("".join(packed)))


def unpacked(raw: bytes) -> bytes:
    """Whatever in it was compressed."""
    content = b""
    for found in re.finditer(re.escape(zstandard.FRAME_HEADER), raw):
        reader = zstandard.ZstdDecompressor().decompressobj()
        # Four bytes may only look like the beginning of a frame.
        with suppress(zstandard.ZstdError):
            content += reader.decompress(raw[found.start() :])
    return content


def everything_sent(system: System) -> bytes:
    """All that went from the worker to the coordinator, and beside it whatever in it was compressed."""
    raw = bytes(system.proxy.sent)
    return raw + unpacked(raw)


async def everything_kept(system: System) -> dict[str, bytes]:
    """What the coordinator has, what the worker sent and said, and what the repositories were given."""
    places = {
        "the database": await database_dump(system.coordinator.served.services.database),
        "the worker's log": system.worker_log.encode(),
        "what the worker sent": everything_sent(system),
    }
    for execution in (await system.coordinator.get("/executions?limit=200"))["items"]:
        for stream in (await system.coordinator.get(f"/executions/{execution['id']}/logs"))["items"]:
            name = stream["stream"]
            places[f"{name} of {execution['task_id']}"] = await system.log(execution["id"], name)
    for repository in system.root.glob("**/*.git"):
        if not repository.is_relative_to(system.worker_data):
            places[str(repository)] = pushed(repository)
    return places


def pushed(repository: Path) -> bytes:
    """All objects of a repository, reached by a branch or not."""
    words = ["git", "-C", str(repository), "cat-file", "--batch", "--batch-all-objects"]
    return subprocess.run(words, capture_output=True, check=True).stdout


def files_under(root: Path, without: Iterable[str] = ()) -> dict[str, bytes]:
    """Plain files only; ``without`` names directories at the root."""
    found: dict[str, bytes] = {}
    for place, directories, names in os.walk(root):
        if place == str(root):
            directories[:] = set(directories) - set(without)
        for path in (Path(place) / name for name in names):
            # It may be gone by now, where somebody still writes.
            with suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink():
                    found[str(path)] = path.read_bytes()
    return found


def seen_inside(worker_data: Path) -> dict[str, bytes]:
    """Of every process in the worker's sandboxes, now: its environment, its arguments, and its files."""
    places, views = {"environments": b"", "arguments": b""}, dict[str, Path]()
    for number in processes_of(worker_data):
        process = Path(f"/proc/{number}")
        # It may have ended.
        with suppress(FileNotFoundError, ProcessLookupError):
            places["environments"] += (process / "environ").read_bytes()
            places["arguments"] += (process / "cmdline").read_bytes()
            views[os.readlink(process / "ns/mnt")] = process / "root"
    for root in views.values():
        found = files_under(root, HOSTS_OWN) if (root / "ws").is_dir() else {}
        places |= {path.removeprefix(str(root)): content for path, content in found.items()}
    return places
