"""A provider's limits on a credential: when it may be used again, from the answer that refused it."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RATE_LIMITED = 429
MOST_SECONDS = 31 * 86_400.0
"""No window of a provider is longer than a month; whatever an answer says, nothing waits for more."""
BODY_BYTES = 64 << 10
"""Of an error's body, that are read."""
_NUMBER = re.compile(r"\d{1,13}(\.\d{1,9})?")
_DURATION = re.compile(
    r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)(ms|s))?"
)
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,9}(?:\.\d{1,9})?)s"')
_WINDOW = re.compile(r"(?:anthropic-ratelimit-([a-z0-9-]{1,40})-reset|x-ratelimit-reset(-[a-z0-9-]{1,40})?)")
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12


@dataclass(frozen=True)
class RateLimited:
    """A provider's limit stopped a request. It concerns everything that uses the same credential."""

    credential: str
    """Its name in the worker's configuration, never the key: the provider's, or the endpoint's."""
    status: int
    until: float | None
    """On this process's ``time.monotonic``; None where the answer named no reset."""

    def seconds_left(self) -> float | None:
        return None if self.until is None else max(0.0, self.until - time.monotonic())


def rate_limited(
    credential: str, status: int, headers: Mapping[str, str], body: bytes = b""
) -> RateLimited | None:
    """None where the answer is no limit that ends by itself: money that is used up comes back by a person.

    ``headers`` have lower-case names. Any of them may be hostile: nothing raises, every wait is bounded.
    """
    if status != RATE_LIMITED or b"insufficient_quota" in body[:BODY_BYTES]:
        return None
    seconds = reset_seconds(headers)
    if seconds is None and (match := _RETRY_DELAY.search(body[:BODY_BYTES])):
        seconds = _bounded(float(match[1]))
    return RateLimited(credential, status, None if seconds is None else time.monotonic() + seconds)


def reset_seconds(headers: Mapping[str, str]) -> float | None:
    """From now. What says how long to wait counts before what says when a window ends.

    Of windows those that are used up count, the last to end; dates are held against the answer's own.
    """
    now = _read_date(headers.get("date", "")) or datetime.now(UTC)
    if (milliseconds := _read_number(headers.get("retry-after-ms", ""))) is not None:
        return _bounded(milliseconds / 1000)
    if (seconds := _read(headers.get("retry-after", ""), now)) is not None:
        return seconds
    windows = list(_windows(headers, now))
    used_up = [seconds for seconds, remaining in windows if remaining == 0]
    return max(used_up or [seconds for seconds, _ in windows], default=None)


def _windows(headers: Mapping[str, str], now: datetime) -> Iterator[tuple[float, float | None]]:
    """Seconds until each one's end, and what remains of it."""
    for name, value in headers.items():
        if _WINDOW.fullmatch(name) and (seconds := _read(value, now)) is not None:
            yield seconds, _read_number(headers.get(name.replace("reset", "remaining"), ""))


def _read(value: str, now: datetime) -> float | None:
    """Seconds, ``1m30.5s``, seconds or milliseconds since 1970, or a date of HTTP or of ISO 8601."""
    value = value.strip()[:64]
    if (number := _read_number(value)) is not None:
        if number >= _EPOCH_MILLISECONDS:
            return _bounded(number / 1000 - now.timestamp())
        return _bounded(number - now.timestamp() if number >= _EPOCH_SECONDS else number)
    if value and (match := _DURATION.fullmatch(value)):
        days, hours, minutes, rest = (float(part or 0) for part in match.groups()[:4])
        seconds = rest / 1000 if match[5] == "ms" else rest
        return _bounded(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
    date = _read_date(value)
    return None if date is None else _bounded((date - now).total_seconds())


def _read_number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _read_date(value: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        with suppress(ValueError, TypeError, OverflowError, IndexError):
            date = read(value)
            return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
    return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MOST_SECONDS)
