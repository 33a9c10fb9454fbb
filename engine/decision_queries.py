"""Reading what reviewers answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .run_queries import iso
from .schema import approvals, decisions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """What one reviewer answered."""

    id: UUID
    approval_id: UUID
    digest: bytes
    reviewer: str
    kind: str
    reason: str | None
    args: Mapping[str, Any] | None
    answer: Any
    via: str
    decided_at: datetime
    beside: UUID | None = None
    """The approval that the reviewer looked at, where it was that of an identical call."""

    def as_json(self) -> dict[str, Any]:
        """The decision as the API gives it."""
        return {
            "decision_id": str(self.id),
            "reviewer": self.reviewer,
            "decision": self.kind,
            "digest": self.digest.hex(),
            "reason": self.reason,
            "args": dict(self.args) if self.args is not None else None,
            "answer": self.answer,
            "via": self.via,
            "decided_at": iso(self.decided_at),
            "beside": str(self.beside) if self.beside else None,
        }


def _decision_row(row: Row[Any]) -> DecisionRow:
    return DecisionRow(
        id=row.id,
        approval_id=row.approval_id,
        digest=bytes(row.digest),
        reviewer=row.reviewer,
        kind=row.kind,
        reason=row.reason,
        args=json.loads(row.args) if row.args is not None else None,
        answer=row.answer,
        via=row.via,
        decided_at=row.decided_at,
        beside=row.beside,
    )


def decisions_of(conn: Connection, *, tenant: str, run_id: UUID) -> tuple[DecisionRow, ...]:
    """The decisions about one run, oldest first."""
    query = (
        sa.select(decisions)
        .join(
            approvals,
            sa.and_(
                approvals.c.tenant_id == decisions.c.tenant_id,
                approvals.c.id == decisions.c.approval_id,
            ),
        )
        .where(decisions.c.tenant_id == tenant, approvals.c.run_id == run_id)
        .order_by(decisions.c.decided_at, decisions.c.id)
    )
    return tuple(_decision_row(row) for row in conn.execute(query))
