"""How long the checkpoints of runs that ended are kept, and what was left of model replies.

The calls, what replies cost, and the audit log stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import RawCursor

from . import pruning
from .audit import record
from .database import execute

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from uuid import UUID

    from sqlalchemy import Connection

    from .database import Database
    from .group_commit import Query
    from .lifecycle import Exit


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept of runs: those that ended so, and so long ago.

    Attributes:
        keep_latest: whether their newest checkpoint stays, from which their state can be read.
    """

    exits: Sequence[Exit]
    age: timedelta
    keep_latest: bool


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away."""

    runs: int
    steps: int


def prune(db: Database, retention: Retention, *, tenant: str, by: str) -> Pruned:
    """Take checkpoints away, each run in a transaction of its own with its audit entry."""
    with db.begin() as conn:
        due = execute(
            conn,
            "prunable_runs",
            tenant=tenant,
            exits=list(retention.exits),
            seconds=retention.age.total_seconds(),
            keep_latest=retention.keep_latest,
        ).scalars()
        runs = list(due)
    gone = [_prune_run(db, retention, pruning.Run(tenant, run_id), by) for run_id in runs]
    return Pruned(len(runs), sum(gone))


def _prune_run(db: Database, retention: Retention, run: pruning.Run, by: str) -> int:
    def ask(query: Query) -> list[tuple[Any, ...]]:
        driver: Any = conn.connection.driver_connection
        cursor = RawCursor(driver)
        cursor.execute(query.text, query.values)
        return cursor.fetchall() if cursor.description else []

    with db.begin() as conn:
        pruning.lock(ask, run)
        before = _steps(conn, run.tenant, run.id)
        if retention.keep_latest:
            pruning.keep_latest(ask, run)
        else:
            pruning.delete_all(ask, run)
        execute(conn, "forget_replies", tenant=run.tenant, run_id=run.id)
        gone = before - _steps(conn, run.tenant, run.id)
        if gone:
            detail = {"steps": gone, "kept": "latest" if retention.keep_latest else "nothing"}
            record(
                conn,
                tenant=run.tenant,
                event="steps.pruned",
                actor=by,
                run_id=run.id,
                detail=detail,
            )
    return gone


def _steps(conn: Connection, tenant: str, run_id: UUID) -> int:
    return int(execute(conn, "count_steps", tenant=tenant, run_id=run_id).scalar_one())
