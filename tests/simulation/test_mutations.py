"""Every guard that the design relies on is missed by the simulation as soon as it is taken out."""

import pytest
from simulation.history import run_history
from simulation.mutations import MUTATIONS

MOST_HISTORIES = 2_000


@pytest.mark.parametrize("name", MUTATIONS)
def test_without_this_guard_a_history_is_violated(name: str) -> None:
    for number in range(MOST_HISTORIES):
        if run_history(f"mutation.{number}", name).violations:
            return
    pytest.fail(f"{MOST_HISTORIES} histories did not miss the guard: {MUTATIONS[name].guard}")
