"""The accounts that a worker's slots run as where it is root: no two workers of a machine may share one.

What runs as one account could signal, and fill the limits of, whatever else runs as it. So a worker locks its
range in a file of the machine, byte N for account N, and keeps it as long as it lives.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from pullyard.files.writes import replace_file
from pullyard.protocol.errors import RequestError
from pullyard.worker.settings import WorkerSettings

logger = structlog.get_logger(__name__)

RANGES = Path("/run/pullyard/accounts")
SPAN = 128
"""Accounts a worker: twice the most slots, as executions of an earlier life may still hold some."""
TRIED_RANGES = 256
REMEMBERED = "accounts"
"""In the data directory, the first account of the last life: its files belong to it."""


@contextmanager
def own_accounts(settings: WorkerSettings) -> Iterator[WorkerSettings]:
    """The settings with a ``first_uid`` that is this worker's alone while this is open.

    What its owner has set is taken or refused; the default gives way to the next range that is free. Raises
    RequestError.
    """
    if os.geteuid() != 0:
        yield settings
        return
    with open_ranges() as ranges:
        if ranges is None:
            yield settings
            return
        first = next((one for one in wanted(settings) if lock(ranges, one)), None)
        if first is None:
            raise RequestError(
                f"Another worker of this machine runs tasks as some of the accounts {settings.first_uid} to "
                f"{settings.first_uid + SPAN - 1}: set first_uid {SPAN} higher, or do not set it at all.",
                code="accounts-taken",
            )
        replace_file(settings.data_directory / REMEMBERED, str(first).encode())
        yield settings.model_copy(update={"first_uid": first})


def wanted(settings: WorkerSettings) -> Iterator[int]:
    """First accounts, the best first."""
    if "first_uid" in settings.model_fields_set:
        yield settings.first_uid
        return
    own = [settings.first_uid + SPAN * number for number in range(TRIED_RANGES)]
    with suppress(OSError, ValueError):
        remembered = int((settings.data_directory / REMEMBERED).read_bytes())
        if remembered in own:
            yield remembered
    yield from own


@contextmanager
def open_ranges() -> Iterator[int | None]:
    """None where the machine has no place for it: then nobody can tell."""
    try:
        RANGES.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(RANGES, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        logger.warning("accounts of other workers on this machine can't be told", problem=str(error))
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock(ranges: int, first: int) -> bool:
    """Until the descriptor is closed, whatever ends the process."""
    try:
        fcntl.lockf(ranges, fcntl.LOCK_EX | fcntl.LOCK_NB, SPAN, first)
    except BlockingIOError:
        return False
    return True
