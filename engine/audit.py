"""The audit log: one entry for each transition, in the transaction that makes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .database import execute, storable, tell
from .digest import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection

FORMAT = 1


def record(
    conn: Connection,
    *,
    tenant: str,
    event: str,
    actor: str,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
    approval_id: UUID | None = None,
    subject: UUID | None = None,
    state: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry; its canonical bytes hold everything that the columns repeat for search.

    `subject` and `state` name the row whose state changed: the database refuses to commit such a
    change without its entry.
    """
    ids = {"run_id": run_id, "call_id": call_id, "approval_id": approval_id}
    tell(conn, event, actor=actor, **{key: str(value) for key, value in ids.items() if value})
    entry = {
        "v": FORMAT,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "tenant": tenant,
        "event": event,
        "actor": actor,
        "run": _text(run_id),
        "call": _text(call_id),
        "approval": _text(approval_id),
        "state": state,
        "detail": {key: storable(value) for key, value in (detail or {}).items()},
    }
    execute(
        conn,
        "append_audit",
        tenant=tenant,
        event=event,
        actor=actor,
        run_id=run_id,
        call_id=call_id,
        approval_id=approval_id,
        subject=subject,
        state=state,
        entry=canonical(entry),
    )


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)
