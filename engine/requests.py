"""Putting a question to reviewers into the queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .audit import record
from .database import execute
from .lifecycle import ApprovalKind, ApprovalState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection

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
    reviewers: tuple[str, ...],
    quorum: int = 1,
    expires_seconds: float | None = None,
) -> None:
    """Put a question to the reviewers into the queue, with its audit entry."""
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
        preview=None if preview is None else json.dumps(preview, default=str),
        reviewers=list(reviewers),
        quorum=quorum,
        expires_seconds=expires_seconds,
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
            "reviewers": list(reviewers),
            "quorum": quorum,
        },
    )
