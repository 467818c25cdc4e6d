"""Ids, retries and money."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.ids import Kind, is_id, new_id
from pullyard.lifecycle.money import dollars, from_micros, to_micros
from pullyard.lifecycle.policies import MAX_UNCOUNTED_TRIES, RetryPolicy, decide_retry
from pullyard.lifecycle.reasons import REASONS, Reason

policies = st.builds(
    RetryPolicy,
    max_tries=st.integers(1, 20),
    backoff_seconds=st.floats(0, 86_400),
    backoff_limit_seconds=st.floats(0, 86_400),
)
counted = st.sampled_from([reason for reason in Reason if REASONS[reason].counts_as_try])


@pytest.mark.parametrize("kind", Kind)
def test_a_new_id_is_one_of_its_kind_only(kind: Kind) -> None:
    made = new_id(kind)
    assert [other for other in Kind if is_id(made, other)] == [kind]


def test_ids_sort_by_the_millisecond_they_were_made_in() -> None:
    made: dict[int, str] = {}
    while len(made) < 5:
        before = time.time_ns() // 1_000_000
        fresh = new_id(Kind.TASK)
        if before == time.time_ns() // 1_000_000:
            made[before] = fresh
    assert sorted(made.values()) == [made[moment] for moment in sorted(made)]


def test_ids_of_the_same_moment_differ() -> None:
    assert len({new_id(Kind.TASK) for _ in range(10_000)}) == 10_000


@given(st.text(max_size=40))
def test_other_text_is_no_id(text: str) -> None:
    assert not is_id(text, Kind.TASK)


@given(policies, counted, st.integers(1, 50))
def test_tries_that_count_end_at_the_limit(policy: RetryPolicy, reason: Reason, tries: int) -> None:
    retry = decide_retry(policy, reason, tries, 0)
    allowed = REASONS[reason].retryable and tries < policy.max_tries
    assert (retry is not None) == allowed
    if retry:
        assert retry.counts
        assert timedelta(0) <= retry.delay <= timedelta(seconds=policy.backoff_limit_seconds)


@given(policies, counted)
def test_the_wait_never_gets_shorter(policy: RetryPolicy, reason: Reason) -> None:
    found = [decide_retry(policy, reason, tries, 0) for tries in range(1, policy.max_tries)]
    waits = [retry.delay for retry in found if retry]
    assert waits == sorted(waits)


@given(policies, st.integers(1, 50), st.integers(1, 100))
def test_a_try_without_a_fair_chance_goes_straight_back_but_not_for_ever(
    policy: RetryPolicy, tries: int, uncounted: int
) -> None:
    retry = decide_retry(policy, Reason.LEASE_EXPIRED, tries, uncounted)
    assert (retry is not None) == (uncounted <= MAX_UNCOUNTED_TRIES)
    if retry:
        assert (retry.delay, retry.counts) == (timedelta(0), False)


@given(st.integers(-(10**15), 10**15))
def test_money_survives_the_way_to_dollars_and_back(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros


@given(st.lists(st.decimals("-1000", "1000", places=6), max_size=20))
def test_sums_of_money_are_exact(amounts: list[Decimal]) -> None:
    assert sum(to_micros(amount) for amount in amounts) == to_micros(sum(amounts, Decimal(0)))


def test_money_rounds_halves_up_and_reads_as_dollars() -> None:
    assert [to_micros("0.0000005"), to_micros(0.12), to_micros("1e3")] == [1, 120_000, 1_000_000_000]
    assert [dollars(120_000), dollars(1), dollars(1234), dollars(0)] == [
        "$0.12",
        "$0.0000",
        "$0.0012",
        "$0.00",
    ]
