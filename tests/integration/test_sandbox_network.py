"""Real programs in real sandboxes of every kind, told of the proxy as every command of an execution is."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pullyard.protocol.isolation import HostRule, Isolation, NetworkPolicy
from pullyard.protocol.worker import AgentSpec, Grant, PhaseLimits, RepositorySpec, TaskBrief
from pullyard.sandboxes.protocol import Mount
from pullyard.sandboxes.registry import SANDBOXES
from pullyard.worker.gateway.serve import MOST_CONNECTIONS
from pullyard.worker.logs import LogFile
from pullyard.worker.network import Network, bound_of, dialer_of, network_of
from pullyard.worker.run_command import run_command
from pullyard.worker.settings import WorkerSettings
from tests.egress import HOST, Host
from tests.package_registry import package_registry
from tests.repositories import make_bare_clone, make_repository, serve_http
from tests.sandbox_places import make_ready, sandbox_at

HOST_PROGRAMS = ("/usr/bin", "/usr/lib", "/usr/share")


def network_to(
    backend: str, place: Path, *rules: HostRule, port: int, registries: bool = False, **settings: Any
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
    return network_of(grant, backend, dialer_of(owner), bound_of(owner))


@pytest.fixture(params=SANDBOXES)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    make_ready(request.param, tmp_path, request)
    return request.param


@asynccontextmanager
async def shell(backend: str, place: Path, network: Network) -> AsyncIterator[Any]:
    """Runs a script in the sandbox: its outcome, and the log."""
    # The programs are the host's in every kind of sandbox.
    shown = [Mount(Path(one), one) for one in HOST_PROGRAMS] if backend == "docker" else []
    sandbox = sandbox_at(backend, place, mounts=shown)
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
async def test_programs_reach_a_listed_host_by_the_proxy(backend: str, tmp_path: Path, program: str) -> None:
    async with Host() as host:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(backend, tmp_path, network) as run:
            outcome, log = await run(f"{program} http://{HOST}:{host.port}/file")
    assert (outcome, len(host.requests)) == ("passed", 1), log
    assert host.answer.decode() in log
    assert network.facts["network"][f"{HOST}:{host.port}"]["requests"] == 1


async def test_another_host_is_refused_and_the_log_says_how_to_allow_it(backend: str, tmp_path: Path) -> None:
    async with Host() as host:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(backend, tmp_path, network) as run:
            url = f"elsewhere.example:{host.port}"
            outcome, log = await run(f"curl -sSf http://{url}/ || curl -sSf https://{url}/")
    line = f"pullyard project edit shop --allow-host {url}"
    assert (outcome, host.connections) == ("failed", 0)
    assert log.count(line) == 1
    assert network.facts["network"][url]["refused"] == 2


@pytest.mark.parametrize("backend", sorted(SANDBOXES.keys() - {"unsafe-directory"}), indirect=True)
async def test_nothing_is_reached_without_the_proxy(backend: str, tmp_path: Path) -> None:
    async with Host() as host:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(backend, tmp_path, network) as run:
            outcome, log = await run(
                f"for where in {HOST} 127.0.0.1 '[::1]' 10.0.0.1; do"
                f" curl -sS --noproxy '*' -m 5 http://$where:{host.port}/ && exit 0; done; exit 1"
            )
    assert (outcome, host.connections) == ("failed", 0), log


async def test_git_clones_by_the_proxy(backend: str, tmp_path: Path) -> None:
    make_bare_clone(make_repository(tmp_path / "w", {"a.txt": "hello\n"}), tmp_path / "served" / "a.git")
    with serve_http(tmp_path / "served") as server:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=server.port), port=server.port)
        async with shell(backend, tmp_path / "s", network) as run:
            outcome, log = await run(f"git clone -q http://{HOST}:{server.port}/a.git a && cat a/a.txt")
    assert outcome == "passed", log
    assert log.endswith("hello\n")


@pytest.mark.parametrize(
    ("needs", "script"),
    [
        (
            "/usr/bin/python3 -m pip --version",
            "/usr/bin/python3 -m pip install -q --disable-pip-version-check --no-cache-dir --target got"
            " --index-url {url}/simple/ --cert ca.pem greeting && cat got/greeting.py",
        ),
        (
            "npm --version",
            "npm install --silent --no-audit --no-fund --no-update-notifier --cache ./cache --cafile ca.pem"
            " --registry {url}/ greeting && node -p 'require(`greeting`)'",
        ),
    ],
    ids=["pip", "npm"],
)
async def test_packages_are_installed_from_a_registry_over_tls(
    backend: str, tmp_path: Path, needs: str, script: str
) -> None:
    (tmp_path / "registry").mkdir()
    with package_registry(HOST, tmp_path / "registry") as registry:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=registry.port), port=registry.port)
        async with shell(backend, tmp_path / "s", network) as run:
            if (await run(needs))[0] != "passed":
                pytest.skip(f"There is no {needs.split()[-2]} here.")
            certificate = f"cat > ca.pem <<'END'\n{registry.certificate}END\n"
            outcome, log = await run(certificate + script.format(url=registry.url))
    assert outcome == "passed", log
    assert "hello from a package" in log
    (count,) = network.facts["network"].values()
    assert (count["requests"] > 0, count["refused"]) == (True, 0)
    assert count["received_bytes"] > 1000


FLOOD = """
import os, socket
port = int(os.environ["http_proxy"].rpartition(":")[2])
held = []
for number in range(900):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("127.0.0.1", port))
    held.append(one)
for one in held:
    try:
        one.send(b"GET http://")
    except OSError:
        pass
# The last one of those that are served is told so, and what waited is served after it.
held[0].setblocking(True)
held[0].send(b"x HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(held[0].recv(12))
"""


@pytest.mark.parametrize("backend", sorted(SANDBOXES.keys() - {"unsafe-directory"}), indirect=True)
async def test_a_flood_of_connections_stays_in_the_sandbox(backend: str, tmp_path: Path) -> None:
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(os.listdir("/proc/self/fd")))
            await asyncio.sleep(0.01)

    async with Host() as host:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=host.port), port=host.port)
        async with shell(backend, tmp_path, network) as run:
            before, watching = len(os.listdir("/proc/self/fd")), asyncio.ensure_future(watch())
            outcome, log = await run(f"ulimit -n 1024; /usr/bin/python3 - <<'END'\n{FLOOD}\nEND")
            watching.cancel()
            assert (outcome, "HTTP/1.1 403" in log or "HTTP/1.1 400" in log) == ("passed", True), log
            assert 0 < most - before < MOST_CONNECTIONS + 20
            assert (await run(f"curl -sSf http://{HOST}:{host.port}/"))[0] == "passed"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"network": False}, "lets sandboxes reach no network"),
        ({"network_hosts": ("registries", "other.example")}, "the setting is network_hosts"),
    ],
)
async def test_the_owner_s_word_is_the_last(
    backend: str, tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port)
        network = network_to(backend, tmp_path, rule, port=host.port, **settings)
        async with shell(backend, tmp_path, network) as run:
            outcome, log = await run(f"curl -sSf http://{HOST}:{host.port}/")
    assert (outcome, host.connections) == ("failed", 0)
    assert says in log
