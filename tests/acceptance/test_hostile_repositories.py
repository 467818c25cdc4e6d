"""The whole collection of hostile repositories through the whole product, beside honest work."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pullyard.lifecycle.reasons import Reason
from tests.acceptance.test_what_leaves import everything_sent
from tests.bad_runs import nothing_left
from tests.canaries import database_dump, leaks
from tests.hostile_repositories import Hostile, make_collection
from tests.repositories import HttpServer, serve_http
from tests.system import System

KEY, LOGIN = "sk-ant-canary-4f1c9b7723d0e6a85b", "git-canary-83a6d20f41be97c55e0d"
OWN, FILE = "environment-canary-19c7f3ab60d25e84", "file-canary-d7720b5ce98f134a6c"
# Found things are printed plainly, and hidden from whoever masks plain words only.
SPY = r"""
found() {
    env; id; cat /proc/*/environ /proc/*/cmdline /proc/*/maps; cat /etc/shadow "$0"
    ls -laR /root /home /var /run /opt /mnt; cat .git/config ../*/config; git config -l --show-origin
    printf 'protocol=http\nhost=127.0.0.1\n\n' | GIT_TERMINAL_PROMPT=0 git credential fill
    for n in 3 4 5 6 7 8 9; do (cat <&$n) ; done
    grep -rs canary /root /home /var /run /opt /mnt /srv /etc /tmp
}
found >/tmp/.found 2>&1
cat /tmp/.found; base64 -w0 /tmp/.found; od -An -v -tx1 /tmp/.found | tr -d ' \n'; rev /tmp/.found
cp /tmp/.found result.txt
"""
NEIGHBOURS = 4
ENDS = (None, Reason.HARVEST_REFUSED, Reason.AGENT_FAILED, Reason.REPOSITORY_UNREACHABLE)
"""A hostile repository's task is done, or refused with a reason; never is it a fault of ours."""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["bubblewrap"])
async def test_hostile_repositories_harm_nobody(
    system: System, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = make_collection(system.root)
    spied, honest = system.repository(name="spied"), system.repository(name="honest")
    (system.root / "secret.txt").write_text(FILE)
    monkeypatch.setenv("SOMEBODYS_TOKEN", OWN)
    with serve_http(system.root, login=("git", LOGIN)) as server:
        login = json.dumps({f"127.0.0.1:{server.port}": {"token": LOGIN}})
        await system.start_worker(slots="4", sandbox=backend, anthropic_api_key=KEY, git_credentials=login)
        wishes = [run_hostile(system, server, one) for one in collection]
        wishes += [run(system, server.url(spied.name), SPY)]
        wishes += [run(system, str(honest), f"echo {number} > result.txt") for number in range(NEIGHBOURS)]
        tasks = await asyncio.gather(*wishes)
    hostile, honest_ones = tasks[: len(collection)], tasks[len(collection) :]
    for one, task in zip(collection, hostile, strict=True):
        assert task["reason"] in ENDS, (one.name, task["reason"], task["message"])
    assert [task["state"] for task in honest_ones] == ["completed"] * (1 + NEIGHBOURS), honest_ones
    assert list((system.root / "markers").iterdir()) == [], "something ran outside of a sandbox"
    places = await everything_kept(system)
    assert b"uid=1000" in places[f"implement of {honest_ones[0]['id']}"], "the spy looked"
    assert leaks([KEY, LOGIN, OWN, FILE], places) == []
    await nothing_left(system)


async def run_hostile(system: System, server: HttpServer, one: Hostile) -> dict[str, Any]:
    script = f"{one.script or 'true'}; git status; git diff; echo done > ./result.txt; true"
    return await run(system, server.url(str(one.path.relative_to(system.root))), script)


async def run(system: System, repository: str, script: str) -> dict[str, Any]:
    project = await system.project(repository, verify_commands=[["sh", "-c", "git status; make test; true"]])
    return await system.ended(await system.task(project, script))


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
    """All that is on the branches that Pullyard made, with its commits' words."""
    words = ["git", "-C", str(repository), "log", "-p", "--text", "--branches=pullyard/*"]
    return subprocess.run(words, capture_output=True, check=True).stdout
