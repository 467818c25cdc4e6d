"""Ways to another host from inside a real sandbox, of every kind: past the proxy, and by it."""

import asyncio
import errno
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pullyard.protocol.isolation import HostRule
from pullyard.sandboxes.protocol import Sandbox
from pullyard.worker.harvest import harvest
from pullyard.worker.logs import LogFile
from pullyard.worker.network import Network
from pullyard.worker.run_command import run_command
from tests.attack_catalogue import ISOLATED
from tests.egress import HOST, Host
from tests.integration.test_sandbox_network import network_to
from tests.sandbox_places import make_ready, sandbox_at
from tests.workbench import TEXT, Workbench, run_inside

# Given as JSON: [address, port] to connect to, names to resolve, addresses to ask the proxy for.
TRY = """
import http.client, json, os, socket, sys
wish, found = json.loads(sys.argv[1]), {}
proxy = os.environ["HTTP_PROXY"].partition("//")[2]
for address, port in wish["direct"]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        tried = socket.socket(family, kind)
        tried.settimeout(5)
        try:
            tried.connect((address, port))
            tried.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
            found[f"{address} {kind.name}"] = 0
        except OSError as error:
            found[f"{address} {kind.name}"] = error.errno
for name in wish["names"]:
    try:
        found[name] = str(socket.getaddrinfo(name, 80))
    except socket.gaierror:
        found[name] = "unknown"
for address in wish["proxied"]:
    asked = http.client.HTTPConnection(proxy, timeout=10)
    asked.request("GET", address)
    found[address] = asked.getresponse().status
    place = address.partition("//")[2].partition("/")[0]
    asked = http.client.HTTPConnection(proxy, timeout=10)
    asked.request("CONNECT", place if place.rpartition(":")[2].isdecimal() else place + ":80")
    found["CONNECT " + place] = asked.getresponse().status
print(json.dumps(found))
"""
UNREACHABLE = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""What a machine without any network says at once; a host that drops or rejects says something else."""
REFUSED = {400, 403}


@dataclass(frozen=True)
class Wish:
    """``{port}`` is of a server of this machine, which listens on all its addresses."""

    direct: tuple[str, ...] = ()
    proxied: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


WISHES = {
    "egress: metadata address": Wish(
        direct=("169.254.169.254", "fd00:ec2::254"),
        proxied=("http://169.254.169.254/latest/", "http://[fd00:ec2::254]/", "http://metadata.example/"),
    ),
    "egress: private ranges": Wish(
        direct=("10.0.0.1", "172.17.0.1", "192.168.0.1", "100.64.0.1"),
        proxied=("http://10.0.0.1/", "http://127.0.0.1:{port}/", "http://localhost:{port}/"),
    ),
    "egress: IPv6": Wish(
        direct=("2606:4700:4700::1111", "fd00::1", "2002:7f00:1::", "64:ff9b::7f00:1"),
        proxied=("http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/"),
    ),
    "egress: DNS": Wish(direct=("1.1.1.1", "8.8.8.8"), names=("example.com", HOST, "elsewhere.example")),
    "egress: a host that is not listed": Wish(
        direct=("93.184.216.34",),
        proxied=(
            "http://elsewhere.example:{port}/",
            f"http://{HOST}:{{other}}/",
            f"http://x.{HOST}:{{port}}/",
        ),
    ),
}


@asynccontextmanager
async def provisioned(backend: str, place: Path) -> AsyncIterator[Sandbox]:
    sandbox = sandbox_at(backend, place)
    try:
        await sandbox.provision()
        yield sandbox
    finally:
        await sandbox.destroy()


async def printed(sandbox: Sandbox, place: Path, network: Network, *argv: str) -> str:
    log = LogFile(place, "verify")
    log.path.unlink(missing_ok=True)
    await run_command(sandbox, argv, log, sys.maxsize, network=network)
    return log.path.read_text().splitlines()[-1]


@pytest.mark.parametrize("backend", ISOLATED)
@pytest.mark.parametrize(
    "wish", [pytest.param(wish, id=row, marks=pytest.mark.attack(row)) for row, wish in WISHES.items()]
)
async def test_nobody_is_reached(
    backend: str, wish: Wish, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    make_ready(backend, tmp_path, request)
    reached: list[object] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("peername"))
        writer.close()

    async with Host() as listed, await asyncio.start_server(serve, None, 0) as server:
        port = server.sockets[0].getsockname()[1]
        known = {HOST: "127.0.0.1", "metadata.example": "169.254.169.254"}
        rules = [HostRule(host=HOST, port=listed.port), HostRule(host="metadata.example", port=80)]
        network = network_to(backend, tmp_path, *rules, port=listed.port, network_resolve=known)
        proxied = [address.format(port=port, other=port) for address in wish.proxied]
        good = f"http://{HOST}:{listed.port}/"
        asked = {
            "direct": [*((address, 53) for address in wish.direct), ("127.0.0.1", port)],
            "proxied": [*proxied, good],
            "names": wish.names,
        }
        async with provisioned(backend, tmp_path) as sandbox:
            found = json.loads(
                await printed(sandbox, tmp_path, network, "python3", "-c", TRY, json.dumps(asked))
            )
    assert found.pop(good) == 200, "what is listed is reached"
    found.pop(f"CONNECT {HOST}:{listed.port}")
    assert reached == []
    for address in wish.direct:
        assert {found[f"{address} {kind}"] for kind in ("SOCK_STREAM", "SOCK_DGRAM")} <= UNREACHABLE, found
    for address in proxied:
        place = address.split("/")[2]
        assert {found[address], found[f"CONNECT {place}"]} <= REFUSED, found
    assert {found[name] for name in wish.names} <= {"unknown"}


PLANT = """
mkdir -p vendor .venv /tmp/.config/pip && echo evil | tee vendor/lib .venv/lib /tmp/.config/pip/pip.conf
printf 'vendor\\n.venv\\n' >.gitignore; echo "http://{evil}/simple/" >index.txt; echo x >>README.md
"""
INSTALL = """
import glob, http.client, os, sys
planted = [path for path in ("vendor/lib", ".venv/lib", "/tmp/.config/pip/pip.conf") if os.path.exists(path)]
answers = []
for index in [open("index.txt").read().strip(), sys.argv[1]]:
    proxy = http.client.HTTPConnection(os.environ["HTTP_PROXY"].partition("//")[2], timeout=10)
    proxy.request("GET", index)
    answers.append(proxy.getresponse().status)
print(planted, answers)
"""


@pytest.mark.attack("verify: dependency confusion", "verify: tests tampered with")
@pytest.mark.parametrize("backend", ISOLATED)
async def test_verification_takes_nothing_that_the_agent_has_planted(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Neither what it left beside the commit, nor an index of packages that nobody named."""
    make_ready(backend, tmp_path, request)
    bench = Workbench.make(tmp_path / "bench", backend=backend)
    async with Host() as evil, Host() as honest:
        network = network_to(backend, tmp_path, HostRule(host=HOST, port=honest.port), port=honest.port)
        workspace, source = await bench.prepare()
        async with bench.sandbox(workspace, source.mirror) as sandbox:
            await run_inside(sandbox, PLANT.format(evil=f"elsewhere.example:{evil.port}"))
            work = await harvest(sandbox, bench.git, source, TEXT)
        assert work is not None
        checkout = await bench.verification(source, work.commit)
        async with bench.sandbox(checkout, source.mirror) as fresh:
            index = f"http://{HOST}:{honest.port}/simple/"
            line = await printed(fresh, tmp_path, network, "python3", "-c", INSTALL, index)
    assert line == "[] [403, 200]"
    assert (evil.connections, honest.connections) == (0, 1)
