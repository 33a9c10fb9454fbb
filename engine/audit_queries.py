"""Reading the audit log."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from .errors import NotFound
from .paging import Page, bounded, decode, page
from .run_queries import iso
from .schema import audit_log

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row, Select


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry of the log; `entry` is its canonical bytes, which all else repeats."""

    seq: int
    at: datetime
    event: str
    actor: str
    run_id: UUID | None
    call_id: UUID | None
    approval_id: UUID | None
    entry: bytes

    @property
    def detail(self) -> Mapping[str, Any]:
        """What the entry says beyond who, when and what."""
        detail = json.loads(self.entry).get("detail")
        return detail if isinstance(detail, dict) else {}

    @property
    def sha256(self) -> str:
        """The SHA-256 of the entry's bytes, in hex."""
        return hashlib.sha256(self.entry).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """The entry as the API gives it; its bytes as text, so that nothing re-orders them."""
        return {
            "seq": self.seq,
            "at": iso(self.at),
            "event": self.event,
            "actor": self.actor,
            "run_id": str(self.run_id) if self.run_id else None,
            "call_id": str(self.call_id) if self.call_id else None,
            "approval_id": str(self.approval_id) if self.approval_id else None,
            "detail": dict(self.detail),
            "entry": self.entry.decode(),
            "sha256": self.sha256,
        }


def _row(row: Row[Any]) -> AuditRow:
    return AuditRow(
        seq=row.seq,
        at=row.at,
        event=row.event,
        actor=row.actor,
        run_id=row.run_id,
        call_id=row.call_id,
        approval_id=row.approval_id,
        entry=bytes(row.entry),
    )


def _seq(value: int) -> int:
    return int.from_bytes(value.to_bytes(8, signed=True), signed=True)


def _entries(tenant: str) -> Select[Any]:
    return sa.select(audit_log).where(audit_log.c.tenant_id == tenant)


def list_audit(
    conn: Connection,
    *,
    tenant: str,
    run_id: UUID | None = None,
    cursor: str | None = None,
    limit: int = 50,
    newest_first: bool = True,
) -> Page[AuditRow]:
    """The log's entries in the order they were written, or that reversed.

    Raises:
        InvalidCursor: the cursor is none of this list's.
        UsageError: the limit is out of range.
    """
    seq = audit_log.c.seq
    query = _entries(tenant).order_by(seq.desc() if newest_first else seq.asc())
    query = query.limit(bounded(limit) + 1)
    if run_id is not None:
        query = query.where(audit_log.c.run_id == run_id)
    if cursor:
        (last,) = decode(cursor, _seq)
        query = query.where(seq < last if newest_first else seq > last)
    return page([_row(row) for row in conn.execute(query)], limit, lambda entry: [entry.seq])


def get_audit_entry(conn: Connection, *, tenant: str, seq: int) -> AuditRow:
    """One entry.

    Raises:
        NotFound: there is no such entry.
    """
    row = conn.execute(_entries(tenant).where(audit_log.c.seq == seq)).one_or_none()
    if row is None:
        raise NotFound(f"The log has no entry {seq}.")
    return _row(row)
