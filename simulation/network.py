"""What lies between workers and coordinators: it loses, doubles, delays and reorders, but forges nothing.

A request that can't be answered ends for its caller as a broken connection does, and the caller can't tell
whether it was carried out.
"""

import asyncio
import random
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import zstandard

from pullyard.protocol.errors import RemoteFailure
from pullyard.worker.client import CALL_SECONDS, CoordinatorClient
from pullyard.worker.masking import Masker
from simulation.coordinator import CoordinatorNode
from simulation.virtual_loop import VirtualLoop

FENCED = "/executions/"
GARBLED = b"this was never written"
COMPRESSOR = zstandard.ZstdCompressor()
NOWHERE = Context()
"""Of no node. Whatever runs in it starts its tasks in copies."""


@dataclass(frozen=True)
class Weather:
    """How likely each fault is for one request; ``slow_seconds`` is the longest delay."""

    lost: float = 0.0
    answer_lost: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0
    slow_seconds: float = 8.0
    stale: float = 0.0
    """A copy of a request arrives with a fence that is over, and says something else."""
    unnoticed: float = 0.3
    """A caller that hangs up is not seen to do so."""


FAIR = Weather()


@dataclass(slots=True)
class Reply:
    """As much of an HTTP response as the worker's client looks at."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.content)


@dataclass
class Link:
    """One worker's way to the coordinators; ``cut`` while nothing passes."""

    network: "Network"
    worker_id: str
    cut: bool = False
    open: "dict[Call, None]" = field(default_factory=dict)
    """In the order of their beginning, so that a seed decides in which order they break."""

    def break_off(self) -> None:
        for call in list(self.open):
            call.fail()


@dataclass(eq=False, slots=True)
class Call:
    """One request that is under way; whoever waits is told once."""

    answer: "asyncio.Future[Reply | None]"
    """None where the connection broke."""
    hung_up: asyncio.Event
    late: bool = False
    """Its time was over before its caller went on, as it is for one that stood still."""

    def fail(self) -> None:
        if not self.answer.done():
            self.answer.set_result(None)

    def time_out(self) -> None:
        self.late = True
        self.fail()

    def succeed(self, reply: Reply) -> None:
        if not self.answer.done():
            self.answer.set_result(reply)


class Network:
    def __init__(self, loop: VirtualLoop, dice: random.Random, weather: Weather) -> None:
        self.loop = loop
        self.dice = dice
        self.weather = weather
        self.replicas: list[CoordinatorNode] = []
        self.under_way = 0
        self.trace: Callable[[str], None] | None = None
        self.answered: Callable[[str, bytes, Reply, float], None] = lambda *_: None
        """Told of every answer that may give something: whose, the request, what and when it had come."""
        self.heard: Callable[[str, bytes, Reply, float], None] | None = None
        """Told of every answer but a claim's: what it was asked, and when it had come."""

    def later(self, seconds: float, act: Callable[..., Any], *arguments: Any) -> None:
        """Of no node: it happens whoever is killed or stopped meanwhile."""
        self.under_way += 1
        self.loop.call_later(seconds, self.happen, act, arguments, context=NOWHERE)

    def happen(self, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.under_way -= 1
        act(*arguments)

    def delay(self) -> float:
        if self.dice.random() < self.weather.slow:
            return self.dice.random() * self.weather.slow_seconds
        return 0.001 + self.dice.random() * 0.03

    async def request(self, link: Link, path: str, body: bytes, seconds: float) -> Reply:
        """Raises RemoteFailure, as the client does for every failure of the network."""
        call = Call(self.loop.create_future(), asyncio.Event())
        dice, weather = self.dice, self.weather
        lost = dice.random() < weather.lost
        if link.cut or not self.replicas:
            self.later(0.05, call.fail)
        elif not lost:
            if dice.random() < weather.doubled:
                spare = Call(self.loop.create_future(), asyncio.Event())
                self.later(self.delay(), self.arrive, link, path, body, spare)
            if dice.random() < weather.stale and FENCED in path:
                spare = Call(self.loop.create_future(), asyncio.Event())
                self.later(self.delay(), self.arrive, link, *made_stale(path, body), spare)
            self.later(self.delay(), self.arrive, link, path, body, call)
        link.open[call] = None
        # As asyncio.timeout does it, in a third of the time.
        timer = self.loop.call_later(seconds, call.time_out)
        try:
            reply = await call.answer
            if call.late:
                raise RemoteFailure("The coordinator can't be reached (timeout).", retryable=True)
            if reply is None:
                raise RemoteFailure("The connection broke.", retryable=True)
            return reply
        finally:
            timer.cancel()
            link.open.pop(call, None)
            if dice.random() >= weather.unnoticed:
                self.later(self.delay(), call.hung_up.set)

    def arrive(self, link: Link, path: str, body: bytes, call: Call) -> None:
        alive = [one for one in self.replicas if one.node.alive]
        if link.cut or not alive:
            call.fail()
            return
        replica = alive[self.dice.randrange(len(alive))]
        self.loop.spawn(replica.node, self.serve(replica, link, path, body, call))

    async def serve(self, replica: CoordinatorNode, link: Link, path: str, body: bytes, call: Call) -> None:
        began = self.loop.now
        replica.calls[call] = None
        try:
            status, content = await replica.answer(link.worker_id, path, body, call.hung_up)
        finally:
            replica.calls.pop(call, None)
        reply = Reply(status, content)
        if self.trace is not None:
            self.trace(f"{replica.node.name} answers {link.worker_id} {path} {status} {content[:120]!r}")
        if path.endswith(("/claim", "/finish")):
            self.answered(link.worker_id, body, reply, began)
        if self.heard is not None and not path.endswith("/claim"):
            self.heard(path, body, reply, began)
        if self.dice.random() < self.weather.answer_lost:
            if self.dice.random() < 0.5:
                self.later(self.delay(), call.fail)
            return
        self.later(self.delay(), self.bring, link, call, reply)

    def bring(self, link: Link, call: Call, reply: Reply) -> None:
        if link.cut:
            call.fail()
        else:
            call.succeed(reply)


def made_stale(path: str, body: bytes) -> tuple[str, bytes]:
    """The same request as an earlier holder would send it: another fence, and other words."""
    place, _, query = path.partition("?")
    if query:
        given = dict(parse_qsl(query))
        return f"{place}?fence={int(given['fence']) - 1}&offset={given['offset']}", stale_frame()
    said = msgspec.json.decode(body)
    said["fence"] -= 1
    if path.endswith("/finish"):
        said |= {"reason": "agent_failed", "message": "Said by nobody who may.", "change": None}
    if path.endswith("/spending"):
        said["spending"]["usage"]["cost_micros"] += 1_000_000
    return path, msgspec.json.encode(said)


def stale_frame() -> bytes:
    return COMPRESSOR.compress(GARBLED)


class NoSecrets(Masker):
    """A request has none in a history; logs go through the real one, which may hold bytes back."""

    def request(self, value: Any) -> Any:
        return value


class SimulatedClient(CoordinatorClient):
    """The real client but for the socket, and for masking what it sends: every call and every error of it
    is the worker's own code."""

    def __init__(self, network: Network, link: Link) -> None:
        self._network = network
        self._link = link
        self.credential = link.worker_id
        self.masker = NoSecrets()

    async def close(self) -> None:
        pass

    async def _post(
        self,
        path: str,
        content: bytes,
        *,
        bearer: str | None = None,
        timeout: float = CALL_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> Any:
        del bearer, headers
        return await self._network.request(self._link, path, content, timeout)
