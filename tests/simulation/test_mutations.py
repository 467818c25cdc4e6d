"""Every guard that the design relies on is missed by the simulation as soon as it is taken out."""

from itertools import chain

import pytest
from simulation.history import run_history
from simulation.mutations import MUTATIONS

MOST_HISTORIES = 2_000


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_this_guard_a_history_is_violated(name: str) -> None:
    seeds = chain([MUTATIONS[name].seed], (f"mutation.{number}" for number in range(MOST_HISTORIES)))
    missed = any(run_history(seed, name).violations for seed in seeds)
    assert missed, f"{MOST_HISTORIES} histories did not miss the guard: {MUTATIONS[name].guard}"
