"""Fixtures of the conformance suites: every member of a family takes its turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.sandboxes.protocol import Mount, Sandbox
from pullyard.sandboxes.registry import SANDBOXES
from tests.sandbox_places import directory, make_ready, sandbox_at


@pytest.fixture(params=SANDBOXES)
async def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """Provisioned, with an extra mount at ``/mirror`` that holds a file ``objects``."""
    make_ready(request.param, tmp_path, request)
    mirror = directory(tmp_path / "mirror", {"objects": "packed\n"})
    made = sandbox_at(request.param, tmp_path, mounts=[Mount(mirror, "/mirror")])
    await made.provision()
    yield made
    await made.destroy()
