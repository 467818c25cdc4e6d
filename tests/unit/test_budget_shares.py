"""A cap is split so that what is held and what is spent never exceed it together."""

from hypothesis import given
from hypothesis import strategies as some

from pullyard.lifecycle.budgets import LEAST_MICROS, Cap

amounts = some.integers(0, 10**12)


@given(
    limit=amounts,
    spent=amounts,
    held=amounts,
    claimants=some.integers(0, 1000),
    least=some.integers(1, 10**7),
)
def test_a_share_fits_into_what_is_free(
    limit: int, spent: int, held: int, claimants: int, least: int
) -> None:
    cap = Cap(limit, spent, held, claimants)
    share = cap.share(least)
    assert 0 <= share <= max(0, limit - spent - held)
    # Where anything is free somebody can go on.
    assert (share > 0) is (limit - spent - held > 0)


@given(
    limit=some.integers(1, 10**9),
    steps=some.lists(
        some.tuples(some.integers(0, 9), some.integers(1, 10**8), some.booleans()), max_size=200
    ),
)
def test_spenders_pass_a_cap_by_one_request_each(limit: int, steps: list[tuple[int, int, bool]]) -> None:
    """Ten spenders that ask, spend and give back in any order."""
    spent, allowed, largest = [0] * 10, [0] * 10, [0] * 10
    for who, cost, gives_back in steps:
        if gives_back:
            allowed[who] = spent[who]
            continue
        if spent[who] >= allowed[who]:
            others = sum(max(0, allowed[one] - spent[one]) for one in range(10) if one != who)
            cap = Cap(limit, sum(spent), others, 9)
            allowed[who] = spent[who] + (0 if cap.is_spent else cap.share(LEAST_MICROS))
        held = sum(max(0, allowed[one] - spent[one]) for one in range(10))
        assert held == 0 or sum(spent) + held <= limit + sum(largest)
        if spent[who] < allowed[who]:
            spent[who] += cost
            largest[who] = max(largest[who], cost)
    assert sum(spent) <= limit + sum(largest)
