"""When a credential may be used again, from whatever a provider answers."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.worker.gateway.limits import MOST_SECONDS, rate_limited, reset_seconds

DATE = {"date": "Sat, 21 Nov 2026 12:00:00 GMT"}
EPOCH = 1_795_262_400
"""The same instant."""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "20", "anthropic-ratelimit-tokens-reset": "2026-11-21T12:05:00Z"}, 20),
        ({"anthropic-ratelimit-requests-reset": "2026-11-21T12:05:00Z"}, 300),
        ({"anthropic-ratelimit-unified-reset": str(EPOCH + 18_000)}, 18_000),
        ({"x-ratelimit-reset": f"{EPOCH + 60}000"}, 60),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-tokens": "17ms"}, 0.017),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-reset-requests": "1s"}, 360),
        (
            {
                "x-ratelimit-reset-tokens": "6m",
                "x-ratelimit-remaining-tokens": "900",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-requests": "0",
            },
            2,
        ),
        ({"retry-after": "Sat, 21 Nov 2020 12:00:00 GMT"}, 0),
        ({"retry-after": "9" * 12}, MOST_SECONDS),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_reset_is_read_in_every_spelling(headers: Mapping[str, str], seconds: float | None) -> None:
    assert reset_seconds({**DATE, **headers}) == pytest.approx(seconds)


def test_a_reset_that_only_the_body_names_is_read() -> None:
    body = b'{"error": {"details": [{"@type": "type.googleapis.com/RetryInfo", "retryDelay": "34.5s"}]}}'
    limited = rate_limited("gemini", 429, {}, body)
    assert limited is not None
    assert limited.seconds_left() == pytest.approx(34.5, abs=5)


@pytest.mark.parametrize(
    ("status", "body"), [(529, b""), (200, b""), (429, b'{"code":"insufficient_quota"}')]
)
def test_what_does_not_end_by_itself_is_no_limit(status: int, body: bytes) -> None:
    assert rate_limited("openai", status, {"retry-after": "7"}, body) is None


NAMES = ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "anthropic-ratelimit-tokens-reset"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=80)), st.binary(max_size=200))
def test_no_answer_makes_it_raise_or_wait_for_long(headers: Mapping[str, str], body: bytes) -> None:
    limited = rate_limited("openai", 429, headers, body)
    assert limited is not None
    assert (limited.seconds_left() or 0) <= MOST_SECONDS
