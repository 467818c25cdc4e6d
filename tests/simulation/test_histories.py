"""Ten thousand histories a run, in chunks that the processes of a parallel run share."""

import os
import subprocess
import sys

import pytest
from simulation.history import run_history

HISTORIES = 10_000
CHUNKS = 50
REPLAYED = 14
PROGRAM = """
import hashlib, sys
from simulation.history import run_history
for number in range({count}):
    verdict = run_history(f"replay.{{number}}", traced=True)
    print(hashlib.sha256("\\n".join(verdict.trace).encode()).hexdigest())
"""


ATTACKED = pytest.param(0, marks=pytest.mark.attack("leases: clocks a day off"))
"""In every history each process has a clock of its own, up to eleven days off."""


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [ATTACKED, *range(1, CHUNKS)])
def test_no_history_violates_anything(chunk: int) -> None:
    size = HISTORIES // CHUNKS
    for number in range(chunk * size, (chunk + 1) * size):
        verdict = run_history(f"ci.{number}")
        assert not verdict.violations, f"replay: python -m simulation --replay {verdict.seed}\n" + "\n".join(
            verdict.violations
        )


def test_a_seed_is_the_same_history_in_every_process() -> None:
    """Otherwise a violation could not be replayed. The hashes of strings are others each time, too."""

    def start(hash_seed: str) -> subprocess.Popen[str]:
        program = PROGRAM.format(count=REPLAYED)
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
        )

    first, second = (one.communicate(timeout=120)[0].split() for one in (start("1"), start("2")))
    assert len(first) == REPLAYED
    assert second == first
