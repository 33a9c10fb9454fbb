"""Calls that were started and whose outcome nobody knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from ..policies.terms import DEFAULT_TERMS
from .audit import record
from .database import execute
from .lifecycle import ApprovalKind, ApprovalState, CallState
from .requests import request_approval
from .wake import wake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection

    from .call import Call
    from .hold import Hold


def doubt(conn: Connection, hold: Hold, call: Call, token: UUID | None, error: str) -> bool:
    """A started call whose outcome nobody knows: never repeated by itself, a person is asked."""
    written = execute(
        conn, "doubt_call", tenant=hold.tenant, call_id=call.id, token=token, error=error
    ).rowcount
    if written:
        note(conn, hold, call, "call.in_doubt", CallState.IN_DOUBT, {"error": error})
        request_approval(
            conn,
            hold,
            approval_id=uuid7(),
            kind=ApprovalKind.IN_DOUBT,
            call_id=call.id,
            digest=call.digest,
            headline=f"{call.tool} may have run, and its outcome is unknown",
            reason=error,
            preview=None,
            terms=replace(DEFAULT_TERMS, reviewers=_reviewers_of(conn, hold, call)),
        )
    return bool(written)


def _reviewers_of(conn: Connection, hold: Hold, call: Call) -> tuple[str, ...]:
    """The groups of its approval, if there was one."""
    found = execute(
        conn, "groups_of_call", tenant=hold.tenant, call_id=call.id
    ).scalar_one_or_none()
    return DEFAULT_TERMS.reviewers if found is None else tuple(found)


def withdraw(conn: Connection, hold: Hold, call: Call) -> None:
    closed = execute(conn, "withdraw_doubt", tenant=hold.tenant, call_id=call.id).scalars().all()
    for approval_id in closed:
        record(
            conn,
            tenant=hold.tenant,
            event="approval.cancelled",
            actor=f"worker:{hold.worker_id}",
            run_id=hold.run_id,
            call_id=call.id,
            approval_id=approval_id,
            subject=approval_id,
            state=ApprovalState.CANCELLED,
            detail={"reason": "The worker reported the outcome after all."},
        )
    if closed:
        wake(
            conn,
            tenant=hold.tenant,
            run_id=hold.run_id,
            why="A call in doubt was settled.",
            actor=f"worker:{hold.worker_id}",
        )


def note(
    conn: Connection,
    hold: Hold,
    call: Call,
    event: str,
    state: CallState,
    detail: Mapping[str, Any],
) -> None:
    record(
        conn,
        tenant=hold.tenant,
        event=event,
        actor=f"worker:{hold.worker_id}",
        run_id=hold.run_id,
        call_id=call.id,
        approval_id=call.approval_id,
        subject=call.id,
        state=state,
        detail={"tool": call.tool, "digest": call.digest.hex(), **detail},
    )
