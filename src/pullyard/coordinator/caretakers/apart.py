"""What fails by a bug for one task or one project must not hold up the others."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from pullyard.protocol.errors import NotFound
from pullyard.store.errors import is_away

logger = structlog.get_logger(__name__)


@contextmanager
def apart(*rising: type[Exception]) -> Iterator[None]:
    """Ends a block that fails, and goes on after it; it is tried again in the next round.

    What says that the database is away rises, and so does ``rising``: the others would fare no better.
    """
    try:
        yield
    except rising:
        raise
    except NotFound:
        # It is gone since it was looked up, so nothing is to be done.
        return
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("a bug in a caretaker")
