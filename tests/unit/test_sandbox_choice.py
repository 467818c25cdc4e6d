"""Which of a worker's sandboxes a task gets: what was measured counts, and not what labels say."""

from pathlib import Path

import msgspec
import pytest

from pullyard.protocol.isolation import Isolation, Level, SandboxWish
from pullyard.protocol.worker import Grant
from pullyard.sandboxes.docker.engine import Engine, EngineLost
from pullyard.sandboxes.docker.makers import Stock
from pullyard.sandboxes.protocol import Probe, SandboxUnavailable
from pullyard.worker.policy.decide import Decider, PolicyRefused
from pullyard.worker.policy.load import read_policy
from pullyard.worker.sandbox_choice import SandboxChoice
from tests.unit import test_worker_journal

HELD = {"escape": True}
PROBES = [
    Probe("bubblewrap", available=True, escapes=HELD, bounds={"memory_bytes": False}),
    Probe("docker", available=True, escapes=HELD, bounds={"memory_bytes": True}),
]
MIXED, DOCKER = '[[repository]]\nmatch = ["/example"]\n', 'sandbox.backends = ["docker"]\n'


@pytest.mark.parametrize(
    ("backend", "level", "chosen"),
    [
        (None, None, "bubblewrap"),
        (None, Level.ISOLATED, "bubblewrap"),
        (None, Level.HARDENED, "docker"),
        ("docker", Level.HARDENED, "docker"),
    ],
)
def test_the_best_that_holds_the_level(backend: str | None, level: Level | None, chosen: str) -> None:
    assert SandboxChoice(PROBES).probe(SandboxWish(backend=backend, level=level)).name == chosen


@pytest.mark.attack("coordinator: a hostile one")
def test_no_level_is_taken_for_another() -> None:
    with pytest.raises(SandboxUnavailable, match="bubblewrap did not reach the level hardened"):
        SandboxChoice(PROBES).probe(SandboxWish(backend="bubblewrap", level=Level.HARDENED))
    with pytest.raises(SandboxUnavailable, match="sandboxes did not reach the level hardened"):
        SandboxChoice(PROBES[:1]).probe(SandboxWish(level=Level.HARDENED))


def test_the_owners_bounds_and_the_projects_level_hold_together() -> None:
    wish = Isolation(sandbox=SandboxWish(level=Level.HARDENED))
    grant: Grant = msgspec.structs.replace(test_worker_journal.GRANT, workflow=None, isolation=wish)
    within = Decider(read_policy((MIXED + DOCKER).encode(), "policy.toml"), None, PROBES).permit(grant)
    assert within.grant.isolation.sandbox.backend == "docker"
    with pytest.raises(PolicyRefused, match="a sandbox of the level hardened among bubblewrap"):
        Decider(
            read_policy((MIXED + DOCKER.replace("docker", "bubblewrap")).encode(), "x"), None, PROBES
        ).permit(grant)


async def test_what_needs_an_engine_that_is_away_is_not_offered(tmp_path: Path) -> None:
    stock = Stock(Engine(tmp_path / "none.sock"), tmp_path / "environments", worker="", warm=0)
    choice, alone = SandboxChoice(PROBES, stock=stock), SandboxChoice(PROBES[1:], stock=stock)
    assert "sandbox=docker" in choice.labels()
    with pytest.raises(EngineLost):
        await stock.engine.call("GET", "/_ping")
    assert choice.labels() == ["level=isolated", "sandbox=bubblewrap"]
    assert (choice.ready(), alone.ready()) == (True, False)
    await stock.engine.client.aclose()
