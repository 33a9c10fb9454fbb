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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from .database import Database

log = structlog.get_logger()

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts while the machine sleeps, where there is such a clock."""


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
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="interlock-lease", daemon=True)

    def start(self, fingerprints: Sequence[str]) -> None:
        """Register the worker and keep its lease from now on."""
        asked = time.clock_gettime(_CLOCK)
        with self._db.begin() as conn:
            execute(
                conn,
                "register_worker",
                id=self._worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                fingerprints=list(fingerprints),
                lease=self._seconds,
            )
        self._good_until = asked + self._seconds
        self._thread.start()

    def is_good(self) -> bool:
        """Whether nobody else may hold this worker's runs now, by a clock that stops never."""
        return time.clock_gettime(_CLOCK) < self._good_until

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
            asked = time.clock_gettime(_CLOCK)
            try:
                with self._db.begin() as conn:
                    execute(conn, "renew_lease", id=self._worker_id, lease=self._seconds)
            except DBAPIError as error:
                log.warning("lease.not_renewed", error=first_line(error))
            else:
                self._good_until = asked + self._seconds
