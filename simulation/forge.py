"""A forge that many workers push to: branches move by compare-and-swap, whatever became of the pusher."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pullyard.forges.bare import BareForge
from pullyard.git.errors import PushRefused, RepositoryUnreachable
from pullyard.git.remotes import Listing, Push
from simulation.money import Provider
from simulation.network import Network


@dataclass
class ForgeWorld:
    """All repositories of a history; ``pushed`` is told of every branch that moved, and where it was."""

    network: Network
    dice: random.Random
    removed: frozenset[str]
    git: "SimulatedGit"
    unreachable: float = 0.0
    slow: float = 0.0
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    """Every commit that was ever made, and its execution."""
    provider: Provider | None = None
    """Of models; None where nothing is spent."""
    began: Callable[[Push], None] = lambda _: None
    pushed: Callable[[str, Push, str | None], None] = lambda *_: None

    async def travel(self) -> None:
        """To the forge or back; now and then longer than a lease."""
        slow = self.dice.random() < self.slow
        await asyncio.sleep(self.dice.random() * (45.0 if slow else 0.3))

    def land(self, url: str, push: Push, answer: "asyncio.Future[bool]") -> None:
        branches = self.branches.setdefault(url, {})
        now = branches.get(push.branch)
        accepted = now == push.commit or now == push.expected or "compare-and-swap-push" in self.removed
        if accepted and push.commit is None:
            branches.pop(push.branch, None)
        elif accepted and now != push.commit:
            branches[push.branch] = str(push.commit)
            self.pushed(url, push, now)
        if not answer.done():
            answer.set_result(accepted)


class SimulatedRemotes:
    """Stands where ``pullyard.git.remotes.Remotes`` stands. Once sent, a push arrives without its sender."""

    def __init__(self, world: ForgeWorld) -> None:
        self.world = world

    async def list(self, address: Any) -> Listing:
        await self.world.travel()
        branches = dict(self.world.branches.get(address.url, {}))
        await self.world.travel()
        return Listing("main", {"main": "0" * 40, **branches})

    async def fetch(self, address: Any, git_dir: Any, *refspecs: str) -> None:
        del address, git_dir, refspecs
        await self.world.travel()

    async def push(self, address: Any, git_dir: Any, push: Push) -> None:
        del git_dir
        world = self.world
        world.began(push)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        slow = world.dice.random() < world.slow
        world.network.later(
            world.dice.random() * (45.0 if slow else 0.3), world.land, address.url, push, answer
        )
        accepted = await answer
        await world.travel()
        if world.dice.random() < world.unreachable:
            raise RepositoryUnreachable("The forge did not answer in time: try again later.", retryable=True)
        if not accepted:
            raise PushRefused(f"The branch {push.branch!r} is not where it was expected.")


class SimulatedGit:
    """Reads a commit's trailers, and nothing else is asked of it; ``message_of`` knows every commit."""

    def __init__(self, message_of: Callable[[str], str]) -> None:
        self.message_of = message_of

    async def ok(self, *words: str, git_dir: Any) -> bytes:
        del git_dir
        trailers = dict(line.split(": ") for line in self.message_of(words[-1]).splitlines())
        return "\0".join(trailers.values()).encode()


class SimulatedForge(BareForge):
    """The real forge of bare repositories, over remotes that are not there."""

    name = "simulated"

    def __init__(self, git: Any, access: Any) -> None:
        del access
        self.git = git.git
        self.remotes: Any = SimulatedRemotes(git)
