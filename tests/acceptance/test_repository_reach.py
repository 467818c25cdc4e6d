"""A coordinator that is not on the worker's machine names repositories inside of the worker's network."""

import json

import pytest

from tests.repositories import serve_http
from tests.system import System


@pytest.mark.attack("requests: address of a repository", "coordinator: a hostile one")
async def test_no_repository_inside_is_taken_until_its_owner_allows_it(system: System) -> None:
    path = system.repository()
    # Another spelling of this machine, which the worker takes for another machine.
    far = {"coordinator_url": system.proxy.url.replace("127.0.0.1", "127.1")}
    with serve_http(path.parent) as server:
        url = f"http://127.0.0.1:{server.port}/{path.name}"
        project = await system.project(url, verify_commands=[["true"]])
        await system.start_worker(**far)
        for inside, says in ((project, "git_allow_private"), (await system.project(path), "policy")):
            task = await system.ended(await system.task(inside, "echo more >> README.md"))
            assert (task["state"], task["reason"]) == ("failed", "policy_refused")
            assert says in task["message"]
        assert server.requests == []
        await system.stop_worker()
        await system.start_worker(**far, git_allow_private=json.dumps([f"127.0.0.1:{server.port}"]))
        task = await system.ended(await system.task(project, "echo more >> README.md"))
        assert server.requests, task
        assert task["reason"] != "policy_refused"
