"""Putting a question to reviewers into the queue, and using its answer up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .audit import record
from .database import execute, storable
from .lifecycle import ApprovalKind, ApprovalState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from ..policies.verdict import Terms
    from .answer import Answer
    from .drift import Change
    from .hold import Hold


def request_approval(
    conn: Connection,
    hold: Hold,
    *,
    approval_id: UUID,
    kind: ApprovalKind,
    call_id: UUID | None,
    digest: bytes,
    headline: str,
    reason: str,
    preview: Mapping[str, Any] | None,
    terms: Terms,
    expires_seconds: float | None = None,
    confirm: str | None = None,
    changes: Sequence[Change] = (),
) -> None:
    """Put a question to the reviewers into the queue, with its audit entry.

    Without `expires_seconds` it waits for ever, whatever the terms say. `confirm` is what is typed
    to approve it; `changes` say why an earlier approval cannot be used.
    """
    changed = [change.as_json() for change in changes]
    escalation = {group: int(after.total_seconds()) for group, after in terms.escalation.items()}
    execute(
        conn,
        "insert_approval",
        tenant=hold.tenant,
        id=approval_id,
        kind=kind,
        run_id=hold.run_id,
        call_id=call_id,
        digest=digest,
        headline=headline,
        reason=reason,
        preview=None if preview is None else json.dumps(_readable(preview), default=str),
        reviewers=list(terms.reviewers),
        quorum=terms.quorum,
        expires_seconds=expires_seconds,
        use_seconds=terms.window.total_seconds(),
        changes=json.dumps(changed) if changed else None,
        each=json.dumps(terms.each),
        escalation=json.dumps(escalation),
        separation=sorted(terms.separation),
        needs_reason=terms.needs_reason,
        confirm=confirm,
        together=terms.together,
    )
    record(
        conn,
        tenant=hold.tenant,
        event="approval.requested",
        actor="interlock",
        run_id=hold.run_id,
        call_id=call_id,
        approval_id=approval_id,
        subject=approval_id,
        state=ApprovalState.PENDING,
        detail={
            "kind": kind,
            "digest": digest.hex(),
            "headline": headline,
            "reviewers": list(terms.reviewers),
            "quorum": terms.quorum,
            "window_seconds": int(terms.window.total_seconds()),
            **_further(terms, escalation),
            **({"changes": changed} if changed else {}),
        },
    )


def use_up(conn: Connection, answer: Answer, asked: Row[Any]) -> ApprovalState:
    """What was answered was carried out with the answer: there is nothing left to start by it."""
    execute(conn, "consume_answer", tenant=answer.tenant, approval_id=asked.id)
    record(
        conn,
        tenant=answer.tenant,
        event="approval.consumed",
        actor=f"reviewer:{answer.reviewer}",
        run_id=asked.run_id,
        call_id=asked.call_id,
        approval_id=asked.id,
        subject=asked.id,
        state=ApprovalState.CONSUMED,
        detail={"digest": bytes(asked.digest).hex()},
    )
    return ApprovalState.CONSUMED


def _readable(value: Any) -> Any:
    """A preview whose texts the database can take out of it again."""
    if isinstance(value, Mapping):
        return {storable(str(key)): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return storable(value)


def _further(terms: Terms, escalation: Mapping[str, int]) -> dict[str, Any]:
    """The terms that most approvals do without, where this one has them."""
    further = {
        "each": dict(terms.each),
        "escalation": escalation,
        "separation": sorted(terms.separation),
        "needs_reason": terms.needs_reason,
        "typed": terms.typed,
        "together": terms.together,
    }
    return {name: value for name, value in further.items() if value}
