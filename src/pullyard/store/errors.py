"""What the store refuses, for the operator to put right."""

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pullyard.protocol.errors import PullyardError

DRIVER_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
DATABASE_AWAY = (SQLAlchemyError, *DRIVER_AWAY)
"""What a transaction raises while Postgres restarts, refuses a connection or has none left: try again soon.

A connection that can't be made raises the driver's own error, and a pool that is used up SQLAlchemy's own.
One that Postgres gave up, but whose end has not come yet, is to the driver in the middle of something else.
"""

# 40 is a deadlock: whoever asks again has his turn.
_AWAY_CLASSES = frozenset({"08", "40", "53", "57"})
NO_SUCH_ROW = "23503"
"""What a row refers to is not there, or not any more."""
# A standby that is not yet the first server takes no writes; soon it does.
_READ_ONLY = "25006"


def sqlstate_of(error: BaseException) -> str:
    """Five characters, of SQLAlchemy's error or the driver's own; empty where Postgres did not answer."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")


def is_away(error: BaseException) -> bool:
    """Whether the same may work soon, of what is in DATABASE_AWAY: else a statement itself is at fault."""
    if isinstance(error, DBAPIError | asyncpg.PostgresError):
        sqlstate = sqlstate_of(error)
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        return lost or sqlstate[:2] in _AWAY_CLASSES or sqlstate == _READ_ONLY
    return isinstance(error, DATABASE_AWAY)


class StoreRefused(PullyardError):
    """The database, its server or a backup can't be used as it is; ``code`` tells the cases apart."""


class PartLost(Exception):
    """A bug: the error of one part of a whole transaction was caught, and the rest went on without it."""
