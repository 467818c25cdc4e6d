"""The machine of Postgres loses its power, or the way to it is gone, and nobody says so: none waits long."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import fast_directory

SILENT_SECONDS = 2
PATIENCE_SECONDS = 100

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None,
    reason="only root can make a network, and iproute2 has to be installed",
)


@pytest.fixture
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="pullyard-half-", dir=fast_directory()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


async def test_connections_to_a_machine_that_is_gone_are_given_up(place: Path) -> None:
    words = ["unshare", "--net", sys.executable, "-m", "tests.integration.half_open_program", str(place)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, faults = await process.communicate()
    assert process.returncode == 0, faults.decode()
    for seconds in said.split():
        assert SILENT_SECONDS - 1 < float(seconds) < SILENT_SECONDS + 10
    assert len(said.split()) == 2
