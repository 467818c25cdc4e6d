"""Environments of projects beside those who clean up, with an engine that only keeps volumes."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pullyard.sandboxes.docker.engine import Engine
from pullyard.sandboxes.docker.environments import KEPT_SECONDS, USED, Environments
from pullyard.worker import homes


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Makes any volume, and removes any but those in use."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
    )
    wish = json.loads(await reader.readexactly(int(length)) or b"{}")
    made = {"Name": wish.get("Name"), "Options": wish.get("DriverOpts"), "message": "volume is in use"}
    status, body = ("409", made) if b"in-use" in head.split(b"\r\n")[0] else ("200", made)
    content = json.dumps(body).encode()
    writer.write(b"HTTP/1.1 %s .\r\nConnection: close\r\n" % status.encode())
    writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
    writer.close()


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Environments]:
    engine = Engine(data / "engine.sock")
    async with await asyncio.start_unix_server(answer, data / "engine.sock"):
        yield Environments(engine, data / "environments", "worker")
        await engine.close()


async def test_one_environment_that_stays_keeps_no_other_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as environments:
        for project in ("prj_1", "prj_in-use", "prj_z"):
            claim = await environments.claim(project, None)
            assert claim is not None
            await environments.release(claim, None)
            os.utime(claim.home.parent / USED, (0, KEPT_SECONDS))
        assert await environments.remove_old() == ["prj_1", "prj_z"]
        assert (tmp_path / "environments" / "prj_in-use" / "home").is_dir()
        assert await environments.claim("prj_in-use", None) is not None, "nobody holds it"


async def test_a_home_is_emptied_only_while_no_task_has_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as environments:
        claim = await environments.claim("prj_1", None)
        assert claim is not None
        (claim.home / "cache").write_text("cached\n")
        assert homes.give_up(claim.home) == "in use"
        assert await environments.remove_old() == []
        await environments.release(claim, None)
        before = claim.home.stat().st_ino
        assert homes.give_up(claim.home) is None
        assert (claim.home.stat().st_ino, list(claim.home.iterdir())) == (before, [])
        again = await environments.claim("prj_1", None)
        assert again == claim
        await environments.discard(claim)
        assert not claim.home.exists()
        assert await environments.claim("prj_1", None) is not None
