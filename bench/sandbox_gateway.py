"""The gateway: what it adds to a request of a model and of a package, and what is left of the throughput."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.certificate import make_certificate
from bench.figures import Figure, Goal, median_ms
from bench.installation import BenchFailed
from bench.sandbox_servers import HOST

ADDED = Goal(5, of_value=True)
FIRST_BYTE = Goal(3, of_value=True)
THROUGHPUT = Goal(0.8, at_most=False)
REQUESTS = 200
WARM_UP = 20
BULK_BYTES = 512 << 20
BULK_ROUNDS = 3
BUFFER = bytearray(1 << 20)
PROCESSES = "client, gateway and server are a process each, over loopback; one kept connection; both in turn"


@contextmanager
def program(*words: str) -> Iterator[dict[str, int]]:
    """The ports of a process that runs until the block ends."""
    command = [sys.executable, "-m", "bench.sandbox_servers", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.communicate()


def measure(place: Path) -> list[Figure]:
    certificate, key = make_certificate(place, f"DNS:{HOST}")
    trust = ssl.create_default_context(cafile=str(certificate))
    with ExitStack() as stack:
        ports = stack.enter_context(program("origin", str(certificate), str(key)))
        ports |= stack.enter_context(program("gateway", *(str(port) for port in ports.values())))
        return [
            *added("request of a model", *model_requests(stack, ports)),
            *added("model's stream, to its first byte", *model_streams(stack, ports), goal=FIRST_BYTE),
            *added("request of a package, plain HTTP", *plain_requests(stack, ports)),
            throughput("throughput of a tunnel, HTTPS", direct(ports, trust), tunnelled(ports, trust)),
            throughput("throughput of plain HTTP", direct(ports), proxied(ports)),
        ]


@dataclass
class Asker:
    """Asks one thing again on a kept connection; a call ends with the answer's end, or its first byte."""

    connection: http.client.HTTPConnection
    method: str
    address: str
    body: bytes | None
    headers: Mapping[str, str]
    to_first_byte: bool = False

    def __call__(self) -> None:
        self.connection.request(self.method, self.address, self.body, dict(self.headers))
        self._answer = self.connection.getresponse()
        content = self._answer.read(1 if self.to_first_byte else None)
        if self._answer.status != 200:
            raise BenchFailed(f"{self.method} {self.address} was answered {self._answer.status}: {content!r}")

    def finish(self) -> None:
        self._answer.read()


def model_requests(stack: ExitStack, ports: dict[str, int]) -> tuple[Asker, Asker]:
    """A question straight to the provider, and by the gateway."""
    return question(stack, ports["model"]), question(stack, ports["gateway"])


def model_streams(stack: ExitStack, ports: dict[str, int]) -> tuple[Asker, Asker]:
    straight, passed = (question(stack, ports[name], stream=True) for name in ("model", "gateway"))
    return replace(straight, to_first_byte=True), replace(passed, to_first_byte=True)


def question(stack: ExitStack, port: int, **more: object) -> Asker:
    asked = {"model": "claude-script", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"content-type": "application/json", "x-api-key": "none"}
    return asker(stack, port, "POST", "/v1/messages", json.dumps({**asked, **more}).encode(), headers)


def plain_requests(stack: ExitStack, ports: dict[str, int]) -> tuple[Asker, Asker]:
    host = f"{HOST}:{ports['bulk']}"
    return asker(stack, ports["bulk"], "GET", "/512", None, {}), asker(
        stack, ports["gateway"], "GET", f"http://{host}/512", None, {"host": host}
    )


def asker(
    stack: ExitStack, port: int, method: str, address: str, body: bytes | None, headers: dict[str, str]
) -> Asker:
    connection = stack.enter_context(closing(http.client.HTTPConnection("127.0.0.1", port)))
    return Asker(connection, method, address, body, headers)


def added(figure: str, straight: Asker, passed: Asker, goal: Goal = ADDED) -> list[Figure]:
    times: list[tuple[Asker, list[float]]] = [(straight, []), (passed, [])]
    for number in range(WARM_UP + REQUESTS):
        for ask, seconds in times:
            began = time.perf_counter()
            ask()
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - began)
            ask.finish()
    direct_ms, passed_ms = (median_ms(seconds) for _, seconds in times)
    return [
        Figure(f"added to a {figure}, p50", passed_ms - direct_ms, "ms", goal=goal),
        Figure(f"- the whole {figure}, p50", passed_ms, "ms", "direct", direct_ms, conditions=PROCESSES),
    ]


def throughput(figure: str, straight: Callable[[], float], passed: Callable[[], float]) -> Figure:
    rates: list[tuple[float, float]] = [(straight(), passed()) for _ in range(BULK_ROUNDS)]
    plain, by_gateway = max(rate for rate, _ in rates), max(rate for _, rate in rates)
    return Figure(figure, by_gateway, "MB/s", "direct", plain, THROUGHPUT, conditions=PROCESSES)


def direct(ports: dict[str, int], trust: ssl.SSLContext | None = None) -> Callable[[], float]:
    def measured() -> float:
        connection = socket.create_connection(("127.0.0.1", ports["secure" if trust else "bulk"]))
        return rate(trust.wrap_socket(connection, server_hostname=HOST) if trust else connection)

    return measured


def tunnelled(ports: dict[str, int], trust: ssl.SSLContext) -> Callable[[], float]:
    place = f"{HOST}:{ports['secure']}"

    def measured() -> float:
        connection = socket.create_connection(("127.0.0.1", ports["gateway"]))
        connection.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        read_head(connection)
        return rate(trust.wrap_socket(connection, server_hostname=HOST))

    return measured


def proxied(ports: dict[str, int]) -> Callable[[], float]:
    place = f"{HOST}:{ports['bulk']}"

    def measured() -> float:
        connection = socket.create_connection(("127.0.0.1", ports["gateway"]))
        return rate(connection, f"http://{place}".encode(), f"Host: {place}\r\n".encode())

    return measured


def rate(connection: socket.socket, target: bytes = b"", headers: bytes = b"") -> float:
    """Megabytes a second of one large answer."""
    with connection:
        began = time.perf_counter()
        connection.sendall(b"GET %s/%d HTTP/1.1\r\n%s\r\n" % (target, BULK_BYTES, headers))
        left = BULK_BYTES - len(read_head(connection))
        while left > 0:
            size = connection.recv_into(BUFFER)
            if size == 0:
                raise BenchFailed(f"The connection ended with {left} bytes to go.")
            left -= size
        return BULK_BYTES / (time.perf_counter() - began) / 1e6


def read_head(connection: socket.socket) -> bytes:
    """What came after the answer's head."""
    held = b""
    while b"\r\n\r\n" not in held:
        piece = connection.recv(4096)
        if not piece:
            raise BenchFailed(f"The answer ended early: {held[:200]!r}")
        held += piece
    head, _, rest = held.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise BenchFailed(f"The answer was {head[:200]!r}.")
    return rest
