"""Reading grants: what stands, and what was granted before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from .paging import Page, bounded, decode, page
from .run_queries import iso
from .schema import grants

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant as the list shows it; `state` is standing, used_up, revoked or expired."""

    id: UUID
    approval_id: UUID
    tool: str
    tool_version: str
    effect: str
    agent: str | None
    run_id: UUID | None
    bounds: str
    most: int
    uses: int
    reason: str | None
    granted_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    state: str

    def as_json(self) -> dict[str, Any]:
        """The grant as the API lists it."""
        return {
            "grant_id": str(self.id),
            "state": self.state,
            "approval_id": str(self.approval_id),
            "tool": self.tool,
            "tool_version": self.tool_version,
            "effect": self.effect,
            "agent": self.agent,
            "run_id": str(self.run_id) if self.run_id else None,
            "bounds": self.bounds,
            "uses": self.most,
            "used": self.uses,
            "reason": self.reason,
            "granted_by": self.granted_by,
            "created_at": iso(self.created_at),
            "expires_at": iso(self.expires_at),
            "revoked_at": iso(self.revoked_at),
            "revoked_by": self.revoked_by,
        }


def list_grants(
    conn: Connection, *, tenant: str, cursor: str | None = None, limit: int = 50
) -> Page[GrantRow]:
    """Grants, newest first.

    Raises:
        InvalidCursor: the cursor is none of this list's.
        UsageError: the limit is out of range.
    """
    state = sa.case(
        (grants.c.revoked_at.is_not(None), "revoked"),
        (grants.c.uses >= grants.c.most, "used_up"),
        (grants.c.expires_at <= sa.func.clock_timestamp(), "expired"),
        else_="standing",
    )
    query = (
        sa.select(grants, state.label("state"))
        .where(grants.c.tenant_id == tenant)
        .order_by(grants.c.id.desc())
        .limit(bounded(limit) + 1)
    )
    if cursor:
        (before,) = decode(cursor, UUID)
        query = query.where(grants.c.id < before)
    return page([_row(row) for row in conn.execute(query)], limit, lambda found: [found.id])


def _row(row: sa.Row[Any]) -> GrantRow:
    values = row._asdict()
    return GrantRow(**{name: values[name] for name in GrantRow.__dataclass_fields__})
