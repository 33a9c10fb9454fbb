"""Taking a run from a worker that goes on as if nothing had been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlock.engine import runs
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from interlock.engine.database import Database


def lose_workers(database: Database) -> None:
    """Put the runs back into the queue as if all leases had run out, once."""
    with database.begin() as conn:
        conn.exec_driver_sql("update workers set lease_until = heartbeat_at - interval '1 hour'")
        assert runs.recover(conn, most_deaths=10, worker_id=uuid7(), in_hand=[])
        conn.exec_driver_sql("update workers set lease_until = clock_timestamp() + interval '15 s'")
