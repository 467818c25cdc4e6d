"""Real programs in a real sandbox, told of the proxy as every command of an execution is."""

import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pullyard.protocol.isolation import HostRule, Isolation, NetworkPolicy
from pullyard.protocol.worker import AgentSpec, Grant, PhaseLimits, RepositorySpec, TaskBrief
from pullyard.worker.logs import LogFile
from pullyard.worker.network import Network, bound_of, dialer_of, network_of
from pullyard.worker.run_command import run_command
from pullyard.worker.settings import WorkerSettings
from tests.egress import HOST, Host
from tests.repositories import make_bare_clone, make_repository, serve_http
from tests.sandbox_places import sandbox_at


def network_to(
    place: Path, *rules: HostRule, port: int, registries: bool = False, **settings: Any
) -> Network:
    """As the worker makes it, from a grant and from its owner's settings."""
    known = {HOST: "127.0.0.1", "elsewhere.example": "127.0.0.1"}
    owner = WorkerSettings(
        data_directory=place,
        network_allow_private=(f"127.0.0.1:{port}",),
        **{"network_resolve": known, **settings},
    )
    policy = NetworkPolicy(registries=registries, hosts=list(rules))
    grant = Grant(
        execution_id="exec_1",
        fence=1,
        project_id="proj_1",
        project_name="shop",
        correlation_id="0" * 32,
        task=TaskBrief(id="task_1", number=1, title="Fetch"),
        repository=RepositorySpec(url="/nowhere"),
        agent=AgentSpec(name="command"),
        limits=PhaseLimits(),
        branch="pullyard/1",
        isolation=Isolation(network=policy),
    )
    return network_of(grant, "bubblewrap", dialer_of(owner), bound_of(owner))


@asynccontextmanager
async def shell(place: Path, network: Network) -> AsyncIterator[Any]:
    """Runs a script in the sandbox: its outcome, and the log."""
    sandbox = sandbox_at("bubblewrap", place)
    log = LogFile(place, "verify")

    async def run(script: str) -> tuple[str, str]:
        log.path.unlink(missing_ok=True)
        argv = ["sh", "-c", script]
        result = await run_command(sandbox, argv, log, sys.maxsize, network=network)
        return result.outcome, log.path.read_text()

    await sandbox.provision()
    try:
        yield run
    finally:
        await sandbox.destroy()


@pytest.mark.parametrize(
    "program",
    [
        "curl -sSf",
        "wget -qO-",
        "/usr/bin/python3 -c 'import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())'",
    ],
)
async def test_programs_reach_a_listed_host_by_the_proxy(tmp_path: Path, program: str) -> None:
    async with Host() as host:
        network = network_to(tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(tmp_path, network) as run:
            outcome, log = await run(f"{program} http://{HOST}:{host.port}/file")
    assert (outcome, len(host.requests)) == ("passed", 1), log
    assert host.answer.decode() in log
    assert network.facts["network"][f"{HOST}:{host.port}"]["requests"] == 1


async def test_another_host_is_refused_and_the_log_says_how_to_allow_it(tmp_path: Path) -> None:
    async with Host() as host:
        network = network_to(tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(tmp_path, network) as run:
            url = f"elsewhere.example:{host.port}"
            outcome, log = await run(f"curl -sSf http://{url}/ || curl -sSf https://{url}/")
    line = f"pullyard project edit shop --allow-host {url}"
    assert (outcome, host.connections) == ("failed", 0)
    assert log.count(line) == 1
    assert network.facts["network"][url]["refused"] == 2


async def test_nothing_is_reached_without_the_proxy(tmp_path: Path) -> None:
    async with Host() as host:
        network = network_to(tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(tmp_path, network) as run:
            outcome, log = await run(
                f"for where in {HOST} 127.0.0.1 '[::1]' 10.0.0.1; do"
                f" curl -sS --noproxy '*' -m 5 http://$where:{host.port}/ && exit 0; done; exit 1"
            )
    assert (outcome, host.connections) == ("failed", 0), log


async def test_git_clones_by_the_proxy(tmp_path: Path) -> None:
    make_bare_clone(make_repository(tmp_path / "w", {"a.txt": "hello\n"}), tmp_path / "served" / "a.git")
    with serve_http(tmp_path / "served") as server:
        network = network_to(tmp_path, HostRule(host=HOST, port=server.port), port=server.port)
        async with shell(tmp_path / "s", network) as run:
            outcome, log = await run(
                f"git clone -q http://{HOST}:{server.port}/a.git /tmp/a && cat /tmp/a/a.txt"
            )
    assert outcome == "passed", log
    assert log.endswith("hello\n")


async def test_pip_installs_by_the_proxy(tmp_path: Path) -> None:
    wheel = tmp_path / "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        made.writestr("greeting.py", "WORDS = 'hello'\n")
        made.writestr(
            "greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n"
        )
        made.writestr("greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        made.writestr("greeting-1.0.dist-info/RECORD", "")
    async with Host(answer=wheel.read_bytes()) as host:
        network = network_to(tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(tmp_path / "s", network) as run:
            url = f"http://{HOST}:{host.port}/{wheel.name}"
            options = "--disable-pip-version-check --no-cache-dir --no-deps -q --target /tmp/t"
            outcome, log = await run(
                f"/usr/bin/python3 -m pip install {options} {url} && cat /tmp/t/greeting.py"
            )
    if "No module named pip" in log:
        pytest.skip("The system's Python has no pip.")
    assert outcome == "passed", log
    assert "WORDS" in log


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"network": False}, "lets sandboxes reach no network"),
        ({"network_hosts": ("registries", "other.example")}, "the setting is network_hosts"),
    ],
)
async def test_the_owner_s_word_is_the_last(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port)
        network = network_to(tmp_path, rule, port=host.port, **settings)
        async with shell(tmp_path, network) as run:
            outcome, log = await run(f"curl -sSf http://{HOST}:{host.port}/")
    assert (outcome, host.connections) == ("failed", 0)
    assert says in log
