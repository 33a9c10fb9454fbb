"""What a person's decision does to a rollback: its plan approved or not, a doubt settled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from . import rollback_journal as journal
from .database import execute
from .lifecycle import ApprovalKind, ApprovalState, RunStatus
from .requests import use_up
from .rollback_journal import RollbackHold

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from .answer import Answer


def is_undos_doubt(asked: Row[Any]) -> bool:
    """Whether a question in doubt is about an undo, and not about the call itself."""
    return asked.kind == ApprovalKind.IN_DOUBT and bool((asked.preview or {}).get("undo"))


def settle_plan(
    conn: Connection,
    tenant: str,
    asked: Row[Any],
    state: ApprovalState,
    actor: str,
    reason: str | None,
) -> ApprovalState:
    """Let an approved rollback begin; end one that was rejected, or that nobody decided in time."""
    rollback = execute(
        conn, "lock_rollback", tenant=tenant, rollback_id=None, approval_id=asked.id
    ).one()
    where = (tenant, asked.run_id, rollback.id)
    if state is ApprovalState.APPROVED:
        journal.wake_rollback(conn, *where, actor)
    else:
        why = f"Its plan was {state}{f': {reason}' if reason else ''}. Nothing was undone."
        journal.end_rollback(conn, *where, RunStatus.WAITING, str(state), why, actor)
    return state


def settle_doubt(conn: Connection, answer: Answer, asked: Row[Any]) -> ApprovalState:
    """Write down what a person says became of an undo, use the answer up, and let it go on."""
    ids = asked.preview
    rollback_id = UUID(ids["rollback"])
    execute(conn, "lock_rollback", tenant=answer.tenant, rollback_id=rollback_id, approval_id=None)
    undos = execute(conn, "undos_of", tenant=answer.tenant, rollback_id=rollback_id).all()
    undo = next(undo for undo in undos if str(undo.id) == ids["undo"])
    hold = RollbackHold(answer.tenant, rollback_id, asked.run_id, "", 0, rollback_id)
    journal.attest(conn, hold, undo, answer.answer or {}, answer.reviewer)
    return use_up(conn, answer, asked)
