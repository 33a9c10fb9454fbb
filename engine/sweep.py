"""What is due, each by itself: one that cannot be settled keeps no other from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import DBAPIError

from .database import lost
from .errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Row

log = structlog.get_logger()


def sweep(due: Iterable[Row[Any]], settle: Callable[[Row[Any]], bool]) -> int:
    """Settle each; how many were. What the database or a rule refuses is logged, and comes again.

    Raises:
        DBAPIError: the database is away.
    """
    done = 0
    for row in due:
        try:
            done += settle(row)
        except (Conflict, DBAPIError) as error:
            if isinstance(error, DBAPIError) and lost(error):
                raise
            log.exception("sweep.not_settled", id=str(row.id))
    return done
