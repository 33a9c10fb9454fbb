"""The audit log: one entry for each transition, in the transaction that makes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .database import at_last, storable, tell
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

    A transaction's entries are written together, at its end. `subject` and `state` name the row
    whose state changed: the database refuses to commit such a change without its entry.
    """
    ids = {"run_id": run_id, "call_id": call_id, "approval_id": approval_id}
    tell(conn, event, **told(actor, **ids))
    at_last(
        conn,
        "append_audit",
        tenant=tenant,
        event=event,
        actor=actor,
        subject=subject,
        state=None if state is None else str(state),
        entry=entry_bytes(
            tenant=tenant, event=event, actor=actor, state=state, detail=detail, **ids
        ),
        **ids,
    )


def entry_bytes(
    *,
    tenant: str,
    event: str,
    actor: str,
    run_id: UUID | None,
    call_id: UUID | None = None,
    approval_id: UUID | None = None,
    state: str | None,
    detail: Mapping[str, Any] | None,
) -> bytes:
    """The canonical bytes of an entry."""
    return canonical(
        {
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
    )


def told(actor: str, **ids: UUID | None) -> dict[str, str]:
    """What the log line of an entry says beside its event."""
    return {"actor": actor, **{key: str(value) for key, value in ids.items() if value}}


def _text(identifier: UUID | None) -> str | None:
    return None if identifier is None else str(identifier)
