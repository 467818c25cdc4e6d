"""Fixtures of the conformance suites: every member of a family takes its turn."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pullyard.sandboxes.protocol import Mount, Sandbox
from pullyard.sandboxes.registry import SANDBOXES
from tests.sandbox_places import directory, sandbox_at


@pytest.fixture(params=SANDBOXES)
async def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """Provisioned, with an extra mount at ``/mirror`` that holds a file ``objects``."""
    if request.param == "unsafe-directory" and os.geteuid() == 0:
        # Nothing is mounted there, so its account must be able to walk to the working copy by itself.
        for parent in (tmp_path, *tmp_path.parents[:3]):
            parent.chmod(parent.stat().st_mode | 0o011)
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    mirror = directory(tmp_path / "mirror", {"objects": "packed\n"})
    made = sandbox_at(request.param, tmp_path, mounts=[Mount(mirror, "/mirror")])
    await made.provision()
    yield made
    await made.destroy()
