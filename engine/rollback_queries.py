"""Reading rollbacks: what was confirmed, and how far each undo is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .run_queries import iso
from .schema import calls, rollbacks, undos

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class UndoRow:
    """One undo; `restored` is None where nothing tells whether its target is as it was."""

    id: UUID
    call_id: UUID
    tool: str
    effect: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    restored: bool | None
    error: str | None
    attested_by: str | None

    def as_json(self) -> dict[str, Any]:
        """The undo as the API gives it."""
        return {
            "undo_id": str(self.id),
            "call_id": str(self.call_id),
            "tool": self.tool,
            "undo_effect": self.effect,
            "state": self.state,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "restored": self.restored,
            "error": self.error,
            "attested_by": self.attested_by,
        }


@dataclass(frozen=True, slots=True)
class RollbackRow:
    """A rollback with its undos, in the order in which they run."""

    id: UUID
    run_id: UUID
    state: str
    outcome: str | None
    reason: str | None
    digest: bytes
    plan: Mapping[str, Any]
    approval_id: UUID | None
    requested_by: str
    created_at: datetime
    ended_at: datetime | None
    undos: tuple[UndoRow, ...]

    def as_json(self) -> dict[str, Any]:
        """The rollback as the API gives it."""
        return {
            "rollback_id": str(self.id),
            "state": self.state,
            "outcome": self.outcome,
            "reason": self.reason,
            "digest": self.digest.hex(),
            "approval_id": str(self.approval_id) if self.approval_id else None,
            "requested_by": self.requested_by,
            "created_at": iso(self.created_at),
            "ended_at": iso(self.ended_at),
            "staying": list(self.plan["staying"]),
            "undos": [undo.as_json() for undo in self.undos],
        }


def rollbacks_of(conn: Connection, *, tenant: str, run_id: UUID) -> tuple[RollbackRow, ...]:
    """A run's rollbacks, newest first."""
    query = (
        sa.select(rollbacks)
        .where(rollbacks.c.tenant_id == tenant, rollbacks.c.run_id == run_id)
        .order_by(rollbacks.c.id.desc())
    )
    rows = conn.execute(query).all()
    if not rows:
        return ()
    of_them = _undos(conn, tenant, [row.id for row in rows])
    return tuple(
        RollbackRow(
            id=row.id,
            run_id=row.run_id,
            state=row.state,
            outcome=row.outcome,
            reason=row.reason,
            digest=bytes(row.digest),
            plan=json.loads(bytes(row.plan)),
            approval_id=row.approval_id,
            requested_by=row.requested_by,
            created_at=row.created_at,
            ended_at=row.ended_at,
            undos=tuple(of_them.get(row.id, ())),
        )
        for row in rows
    )


def _undos(conn: Connection, tenant: str, ids: list[UUID]) -> dict[UUID, list[UndoRow]]:
    own = sa.and_(calls.c.tenant_id == undos.c.tenant_id, calls.c.id == undos.c.call_id)
    query = (
        sa.select(undos, calls.c.tool)
        .select_from(undos.join(calls, own))
        .where(undos.c.tenant_id == tenant, undos.c.rollback_id.in_(ids))
        .order_by(undos.c.rollback_id, undos.c.position)
    )
    found: dict[UUID, list[UndoRow]] = {}
    for row in conn.execute(query):
        found.setdefault(row.rollback_id, []).append(
            UndoRow(
                id=row.id,
                call_id=row.call_id,
                tool=row.tool,
                effect=row.effect,
                state=row.state,
                started_at=row.started_at,
                finished_at=row.finished_at,
                restored=row.restored,
                error=row.error,
                attested_by=row.attested_by,
            )
        )
    return found
