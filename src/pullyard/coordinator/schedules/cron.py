"""When a cron text comes round. No clock is read here: whoever asks says what time it is."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from pullyard.protocol.errors import RequestError

FIELDS = 5


def zone(name: str) -> ZoneInfo:
    """Raises RequestError where there is none of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RequestError(
            f"There is no time zone {name!r}: write one as the IANA names it, such as Europe/Berlin.",
            code="unknown-time-zone",
        ) from error


def next_tick(cron: str, time_zone: str, after: datetime) -> datetime:
    """The first tick after that moment, in UTC. Raises RequestError where the text makes no sense.

    As Debian's cron does it: what a change of the clocks skips happens right after it, what comes twice
    happens once, unless it is by the hour or more often.
    """
    if len(cron.split()) != FIELDS:
        raise RequestError(
            "A cron text has five fields: minute, hour, day of month, month and day of week.",
            code="invalid-cron",
        )
    try:
        return next(CronSim(cron, after.astimezone(zone(time_zone)))).astimezone(UTC)
    except CronSimError as error:
        raise RequestError(f"The cron text {cron!r} can't be read: {error}.", code="invalid-cron") from error
    except (StopIteration, OverflowError) as error:
        raise RequestError(f"The cron text {cron!r} never comes round.", code="invalid-cron") from error
