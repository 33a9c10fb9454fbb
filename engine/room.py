"""Room in the queue: how much of all runs of an agent may wait for people at the same time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from .database import execute
from .errors import NoRoom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from .database import Database
    from .hold import Hold

_NO_ROOM = "IL008"


class Room:
    """What the calls of one execution need of the queue; without a cap there is always room."""

    def __init__(self, db: Database, hold: Hold, most: int | None) -> None:
        self._db = db
        self._hold = hold
        self._most = most

    def check(self) -> None:
        """Refuse to count one more call that would wait, before it is counted.

        Raises:
            NoRoom: the agent has as many as it may; the run is taken up when there is room.
        """
        if self._most is not None and not self._db.retry(lambda conn: has_room(conn, self._hold)):
            raise self._none()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The block puts a call to people; others may have taken the place meanwhile."""
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _NO_ROOM:
                raise
            raise self._none() from None

    def _none(self) -> NoRoom:
        return NoRoom(
            f"Agent {self._hold.agent} has {self._most} calls that wait for people, as many as it "
            "may. The run is taken up when there is room."
        )


def has_room(conn: Connection, hold: Hold) -> bool:
    """Whether one more call of the run's agent may wait; nobody else's can until the end."""
    where = {"tenant": hold.tenant, "run_id": hold.run_id}
    return bool(execute(conn, "has_room", **where).scalar_one())
