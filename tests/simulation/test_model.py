"""The model of lease and publish in ``docs/model``, gone through completely by Spin."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "docs" / "model" / "lease_and_publish.pml"
COMPILER = shutil.which("cc")
SPIN = shutil.which("spin")

pytestmark = pytest.mark.skipif(
    not (SPIN and COMPILER),
    reason="spin or a C compiler is not installed: apt-get install spin gcc libc6-dev",
)


def violations(place: Path, *guards: str) -> int:
    """Every reachable state is looked at; fails where the search was cut short."""
    assert SPIN is not None
    assert COMPILER is not None
    chosen = [f"-D{guard}" for guard in guards]
    for words in (
        [SPIN, *chosen, "-a", str(MODEL)],
        [COMPILER, "-w", "-O1", "-DSAFETY", "-o", "verifier", "pan.c"],
    ):
        subprocess.run(words, cwd=place, check=True, capture_output=True, timeout=60)
    done = subprocess.run(
        [place / "verifier", "-m100000"], cwd=place, capture_output=True, text=True, timeout=60
    )
    assert "max search depth too small" not in done.stdout
    found = re.search(r"errors: (\d+)", done.stdout)
    assert found is not None, done.stdout
    return int(found[1])


def test_both_guards_hold(tmp_path: Path) -> None:
    assert violations(tmp_path, "LEASE", "ONE_BRANCH") == 0


@pytest.mark.parametrize("guards", [(), ("LEASE",), ("LEASE", "ONE_BRANCH", "ANYONE")])
def test_less_is_not_enough(tmp_path: Path, guards: tuple[str, ...]) -> None:
    """A fence guards the coordinator alone, and a lease is over while a push is on its way."""
    assert violations(tmp_path, *guards) > 0
