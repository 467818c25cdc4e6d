"""Identifiers that sort by time and carry their kind, such as ``task_06dz3m8k2c9v4x7q1w5t8y0n2b``."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class Kind(StrEnum):
    TENANT = "ten"
    MEMBER = "mem"
    PROJECT = "proj"
    TASK = "task"
    EXECUTION = "exec"
    WORKER = "work"
    CHANGE = "chg"
    CREDENTIAL = "cred"
    ERRAND = "errand"
    AUDIT = "audit"
    SCHEDULE = "sched"
    RULE = "rule"
    RECEIVED = "recv"
    BUDGET = "budget"
    KEY = "key"
    COMPARISON = "cmp"
    WEBHOOK = "hook"
    DELIVERY = "dlv"
    DEVICE = "dev"


@dataclass
class Source:
    """Where ids come from. A simulation puts its own in, so that the same seed gives the same ids."""

    time_ns: Callable[[], int] = time.time_ns
    random_bits: Callable[[int], int] = secrets.randbits


SOURCE = Source()


def new_id(kind: Kind) -> str:
    """A fresh id: 48 bits of milliseconds, 80 random bits, in Crockford's base 32, lower case."""
    return written(kind, SOURCE.time_ns() // 1_000_000, SOURCE.random_bits(80))


def least_id(kind: Kind, moment: datetime) -> str:
    """All ids that are made from then on, by a clock that is right, are no smaller."""
    return written(kind, max(0, int(moment.timestamp() * 1000)), 0)


def written(kind: Kind, milliseconds: int, random_bits: int) -> str:
    number = milliseconds << 80 | random_bits
    # Two digits at a time: a claim makes ids for every slot that waits.
    pairs = [_PAIRS[number >> shift & 1023] for shift in range((_LENGTH - 2) * 5, -1, -10)]
    return f"{kind}_{''.join(pairs)}"


def is_id(text: str, kind: Kind) -> bool:
    prefix, _, body = text.partition("_")
    return prefix == kind and len(body) == _LENGTH and all(character in _ALPHABET for character in body)
