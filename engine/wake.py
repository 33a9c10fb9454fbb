"""Waking a run, and the audit entry of a run's own transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .audit import entry_bytes, record
from .database import execute
from .lifecycle import RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection


def wake(conn: Connection, *, tenant: str, run_id: UUID, why: str, actor: str) -> None:
    """Have the run looked at again, now if it waits, or right after what it is doing."""
    row = execute(conn, "wake_run", tenant=tenant, run_id=run_id).one_or_none()
    if row is not None and row.status == RunStatus.QUEUED:
        note_run(conn, tenant, run_id, "run.woken", actor, RunStatus.QUEUED, {"why": why})


def note_run(
    conn: Connection,
    tenant: str,
    run_id: UUID,
    event: str,
    actor: str,
    status: RunStatus,
    detail: Mapping[str, Any],
) -> None:
    """Audit what became of a run, in the transaction that made it so."""
    record(
        conn,
        tenant=tenant,
        event=event,
        actor=actor,
        run_id=run_id,
        subject=run_id,
        state=status,
        detail=detail,
    )


def run_entry(
    tenant: str,
    run_id: UUID,
    event: str,
    actor: str,
    status: RunStatus,
    detail: Mapping[str, Any],
) -> bytes:
    """The audit entry of a run's own transition."""
    return entry_bytes(
        tenant=tenant, event=event, actor=actor, run_id=run_id, state=status, detail=detail
    )
