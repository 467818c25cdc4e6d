"""Run as a program of its own: a worker of one container that is left running, until it is killed.

Prints the id of the container's first process once a command runs in it. The arguments: a directory for the
workspace, the worker's mark, and the account.
"""

import asyncio
import sys
from pathlib import Path

from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import ContainerSettings, SandboxSpec
from tests.docker_engine import BASE_IMAGE
from tests.sandbox_places import first_line, workspace


async def main(place: Path, mark: str, uid: str) -> None:
    spec = SandboxSpec(
        workspace(place, overlay=True),
        uid=int(uid) or None,
        worker=mark,
        owner="exec_killed",
        containers=ContainerSettings(image=BASE_IMAGE),
    )
    sandbox = DockerSandbox(spec)
    await sandbox.provision()
    process, _ = await first_line(sandbox, "sh", "-c", "setsid sleep 600 & echo up; exec sleep 600")
    print(sandbox.processes[0].container.process_id, flush=True)  # noqa: T201
    await process.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
