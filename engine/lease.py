"""A worker's sign of life: one row, renewed from a thread that no tool can block."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from .database import execute, first_line
from .errors import Fenced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from .database import Database

log = structlog.get_logger()

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds that count while the machine sleeps, where there is such a clock."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """Keeps `workers.lease_until` ahead of now while this process lives.

    Runs are held by a worker as long as its lease is good; the lease's row is apart from theirs, so
    that fencing a call never waits for a renewal.
    """

    def __init__(self, db: Database, worker_id: UUID, seconds: float) -> None:
        self._db = db
        self._worker_id = worker_id
        self._seconds = seconds
        self._good_until = 0.0
        self._term = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="interlock-lease", daemon=True)

    def start(self, fingerprints: Sequence[str]) -> None:
        """Register the worker and keep its lease from now on."""

        def register(conn: Connection) -> float:
            asked = clock()
            execute(
                conn,
                "register_worker",
                id=self._worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                fingerprints=list(fingerprints),
                lease=self._seconds,
            )
            return asked

        self._good_until = self._db.retry(register) + self._seconds
        self._thread.start()

    def is_good(self, term: int | None = None) -> bool:
        """Whether nobody else may hold this worker's runs now, by a clock that stops never.

        With `term`, whether that was so all the time since `term()` gave it: a lease that ran out
        and was renewed is good again, but somebody else may have been here in between.
        """
        good = clock() < self._good_until
        return good and term in (None, self._term)

    def term(self) -> int:
        """The stretch of time without a lapse that this moment is part of.

        Raises:
            Fenced: the lease ran out.
        """
        term = self._term
        if not self.is_good(term):
            raise Fenced("This worker's lease ran out, so nothing was started.")
        return term

    def stop(self) -> None:
        """Give the lease up, so that others need not wait for it to run out."""
        self._done.set()
        self._thread.join()
        try:
            with self._db.begin() as conn:
                execute(conn, "drop_lease", id=self._worker_id)
        except DBAPIError as error:
            log.warning("lease.not_dropped", error=first_line(error))

    def _keep(self) -> None:
        while not self._done.wait(self._seconds / 3):
            asked = clock()
            try:
                with self._db.begin() as conn:
                    execute(conn, "renew_lease", id=self._worker_id, lease=self._seconds)
            except Exception as error:  # noqa: BLE001 - this thread must not end before its worker
                log.warning("lease.not_renewed", error=first_line(error))
            else:
                if not self.is_good():
                    self._term += 1  # first, so that nobody sees the new lease in the old term
                self._good_until = asked + self._seconds
