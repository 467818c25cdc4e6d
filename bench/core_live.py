"""Live logs: from a worker's flush to a WebSocket, and one log to a thousand WebSockets."""

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop
import zstandard
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from bench.figures import Figure, Goal
from bench.idle import ticks
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import QUICK, WireWorker, enrol
from pullyard.coordinator.hub.frames import completion_message, label_of, log_message
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import Grant

EXECUTIONS = 100
FLUSH_SECONDS = 0.1
LINES = 10
"""In a flush: 100 a second."""
FLUSHES = 80
UNMEASURED_FLUSHES = 10
"""The first ones, while connections are made and statements are planned."""
SOCKETS = 1000
ROUNDS = 200
PIECE_BYTES = 1000
STREAM = "implement"
P50 = Goal(5, of_value=True)
P99 = Goal(50, of_value=True)
FANOUT = Goal(0.5, at_most=False)


def measure(stage: Stage) -> list[Figure]:
    settings = {"archive_seconds": 3600, "lease_seconds": 600, "stream_connections": 2000}
    with stage.coordinator(max_running=EXECUTIONS, **settings) as server:
        delays = sorted(uvloop.run(watch_all(server)))
        deliveries, cpu = uvloop.run(fan_out(server))
    raw = fan_out_raw()
    said = (
        f"{DURABLE}; {EXECUTIONS} executions with {LINES} lines each {FLUSH_SECONDS * 1000:g} ms, one socket"
    )
    fan = f"{SOCKETS} sockets, {ROUNDS} pieces of {PIECE_BYTES} bytes, each committed before it goes"
    return [
        Figure(
            "watched log, flush to WebSocket, p50",
            statistics.median(delays) * 1000,
            "ms",
            goal=P50,
            conditions=said,
        ),
        Figure(
            "watched log, flush to WebSocket, p99", delays[int(len(delays) * 0.99)] * 1000, "ms", goal=P99
        ),
        Figure(
            f"one log to {SOCKETS} WebSockets",
            deliveries,
            "deliveries/s",
            "ready-made frames written raw",
            raw,
            FANOUT,
            conditions=fan,
        ),
        Figure("CPU of the coordinator for a delivery", cpu * 1_000_000, "us"),
    ]


async def begin(coordinator: Coordinator, name: str, number: int) -> WireWorker:
    """A worker that holds so many executions."""
    worker = await enrol(coordinator, coordinator.enrolment_token(), slots=number, name=name)
    project = coordinator.add_project(name, max_running=number)
    for task in range(number):
        coordinator.post(f"/projects/{project}/tasks", {"title": f"{name} {task}"})
    while len(worker.held) < number:
        for grant in await worker.claim(slots=number - len(worker.held)):
            worker.held[grant.execution_id] = grant
        await worker.beat()
    return worker


async def watch_all(coordinator: Coordinator) -> list[float]:
    """Seconds from the moment a frame is made, just before it is sent, until its bytes are at the client."""
    worker = await begin(coordinator, "watched", EXECUTIONS)
    delays: list[float] = []
    headers = {"authorization": f"Bearer {coordinator.token}"}
    address = coordinator.url.replace("http", "ws", 1) + "/api/v1/stream"
    options = {"compression": None, "max_size": None, "ping_interval": None}
    async with connect(address, additional_headers=headers, **options) as socket:
        for execution_id in worker.held:
            about = {"id": execution_id, "execution_id": execution_id, "stream": STREAM}
            await socket.send(json.dumps({"type": "subscribe-log", **about}))
        beginning = asyncio.Event()

        async def listen() -> None:
            completed = subscribed = 0
            while completed < EXECUTIONS:
                message = json.loads(await socket.recv())
                now = time.perf_counter()
                subscribed += message["type"] == "subscribed"
                completed += message["type"] == "completion"
                if subscribed == EXECUTIONS:
                    beginning.set()
                if message["type"] == "execution-log":
                    delays.extend(now - sent for sent in sent_times(message))

        listening = asyncio.create_task(listen())
        await beginning.wait()
        grants = list(worker.held.values())
        await asyncio.gather(*(flush(worker, grant, n / EXECUTIONS) for n, grant in enumerate(grants)))
        await listening
    worker.http.close()
    return delays


def sent_times(message: dict[str, str]) -> list[float]:
    """Each flush begins with the time that it was made at, unless it is not to be measured."""
    text = message["data"]
    if message["encoding"] == "base64":
        text = base64.b64decode(text).decode("utf-8", "replace")
    return [float(line[3:]) for line in text.splitlines() if line.startswith("at ")]


async def flush(worker: WireWorker, grant: Grant, part: float) -> None:
    """The executions' flushes are spread over the interval, as those of real ones are."""
    compressor = zstandard.ZstdCompressor(level=3)
    offset = 0
    due = time.perf_counter() + FLUSH_SECONDS * (1 + part)
    for number in range(FLUSHES):
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        due += FLUSH_SECONDS
        first = f"at {time.perf_counter():.9f}\n" if number >= UNMEASURED_FLUSHES else "begin\n"
        lines = (
            f"{number}:{line} Compiling a package of some name and version\n" for line in range(LINES - 1)
        )
        data = (first + "".join(lines)).encode()
        await worker.append(grant, STREAM, offset, compressor.compress(data))
        offset += len(data)
    await worker.finish(grant, *QUICK, reason=Reason.NO_CHANGE)


@dataclass
class Crowd:
    """All clients together: how many are ready, and how many have had their last message."""

    ready: int = 0
    finished: int = 0
    all_ready: asyncio.Event = field(default_factory=asyncio.Event)
    all_finished: asyncio.Event = field(default_factory=asyncio.Event)


class Listener(asyncio.Protocol):
    """Reads as little as it can: only the ends of what comes."""

    def __init__(self, crowd: Crowd, request: bytes, wish: bytes) -> None:
        self._crowd = crowd
        self._request = request
        self._wish = wish
        self._tail = b""
        self._ready = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._tail = self._tail[-200:] + data
        if not self._ready and b" 101 " in self._tail:
            self._ready = True
            assert self.transport is not None
            self.transport.write(self._wish)
            self._crowd.ready += 1
            if self._crowd.ready == SOCKETS:
                self._crowd.all_ready.set()
        if b'"completion"' in self._tail:
            self._tail = b""
            self._crowd.finished += 1
            if self._crowd.finished == SOCKETS:
                self._crowd.all_finished.set()


async def gather_crowd(host: str, port: int, request: bytes, wish: bytes) -> tuple[Crowd, list[Listener]]:
    crowd = Crowd()
    listeners = []
    for _ in range(SOCKETS):
        _, listener = await asyncio.get_running_loop().create_connection(
            lambda: Listener(crowd, request, wish), host, port
        )
        listeners.append(listener)
    await crowd.all_ready.wait()
    return crowd, listeners


async def fan_out(coordinator: Coordinator) -> tuple[float, float]:
    """Deliveries a second, and the coordinator's CPU seconds for one."""
    worker = await begin(coordinator, "fan-out", 1)
    grant = next(iter(worker.held.values()))
    place = urlsplit(coordinator.url)
    assert place.hostname is not None
    assert place.port is not None
    request = (
        f"GET /api/v1/stream HTTP/1.1\r\nhost: {place.netloc}\r\n"
        "upgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-key: {base64.b64encode(b'0' * 16).decode()}\r\nsec-websocket-version: 13\r\n"
        f"authorization: Bearer {coordinator.token}\r\n\r\n"
    ).encode()
    about = {"id": "log", "execution_id": grant.execution_id, "stream": STREAM}
    wish = Frame(Opcode.TEXT, json.dumps({"type": "subscribe-log", **about}).encode()).serialize(mask=True)
    crowd, listeners = await gather_crowd(place.hostname, place.port, request, wish)
    await asyncio.sleep(1)
    piece = zstandard.compress(b"x" * (PIECE_BYTES - 1) + b"\n")
    cpu = cpu_seconds(coordinator.pid)
    began = time.perf_counter()
    for number in range(ROUNDS):
        await worker.append(grant, STREAM, number * PIECE_BYTES, piece)
    await worker.finish(grant, *QUICK, reason=Reason.NO_CHANGE)
    await crowd.all_finished.wait()
    seconds = time.perf_counter() - began
    cpu = cpu_seconds(coordinator.pid) - cpu
    leave(listeners)
    worker.http.close()
    deliveries = SOCKETS * (ROUNDS + 1)
    return deliveries / seconds, cpu / deliveries


def fan_out_raw() -> float:
    """Deliveries a second of a process that does nothing but write the same frames."""
    frame, last = (
        b"".join(message.frame(label_of("log")))
        for message in (
            log_message("exec_" + "0" * 26, STREAM, 0, b"x" * (PIECE_BYTES - 1) + b"\n"),
            completion_message("exec_" + "0" * 26, ROUNDS * PIECE_BYTES),
        )
    )
    words = [sys.executable, "-m", "bench.raw_fanout", str(ROUNDS), frame.hex(), last.hex()]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        return uvloop.run(hear_raw(int(process.stdout.readline())))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def hear_raw(port: int) -> float:
    crowd, listeners = await gather_crowd("127.0.0.1", port, b"here", b"")
    began = time.perf_counter()
    assert listeners[0].transport is not None
    listeners[0].transport.write(b"go")
    await crowd.all_finished.wait()
    seconds = time.perf_counter() - began
    leave(listeners)
    return SOCKETS * (ROUNDS + 1) / seconds


def cpu_seconds(process: int) -> float:
    return ticks([process]) / os.sysconf("SC_CLK_TCK")


def leave(listeners: list[Listener]) -> None:
    for listener in listeners:
        if listener.transport is not None:
            listener.transport.abort()
