"""What the store refuses, for the operator to put right."""

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from pullyard.protocol.errors import PullyardError

DATABASE_AWAY = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What a transaction raises while Postgres restarts, refuses a connection or has none left: try again soon.

A connection that can't be made raises the driver's own error, and a pool that is used up SQLAlchemy's own.
"""


class StoreRefused(PullyardError):
    """The database, its server or a backup can't be used as it is; ``code`` tells the cases apart."""


class PartLost(Exception):
    """A bug: the error of one part of a whole transaction was caught, and the rest went on without it."""
