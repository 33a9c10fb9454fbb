"""What becomes of an approval, and of what it was about: decided, or expired."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from . import raising
from .audit import record
from .database import execute
from .errors import Conflict, InvalidDecision
from .hold import Hold
from .lifecycle import ApprovalKind, ApprovalState, CallState, DecisionKind, Exit, RunStatus
from .outcome import success
from .questions import QUESTIONS, settle_question
from .requests import use_up
from .rollback_decisions import is_undos_doubt, settle_doubt, settle_plan
from .runs import end
from .sweep import sweep
from .wake import wake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from .answer import Answer
    from .database import Database

_CLOSES = {
    DecisionKind.APPROVE: ApprovalState.APPROVED,
    DecisionKind.ANSWER: ApprovalState.APPROVED,
    DecisionKind.REJECT: ApprovalState.REJECTED,
    DecisionKind.EDIT: ApprovalState.SUPERSEDED,
}


def settle(conn: Connection, answer: Answer, asked: Row[Any]) -> ApprovalState:
    """Close the approval if this decision does, move what it was about, and wake the run."""
    state = _CLOSES[answer.kind]
    if state is ApprovalState.APPROVED:
        where = {"tenant": answer.tenant, "approval_id": asked.id}
        if execute(conn, "still_missing", **where).scalar_one():
            return ApprovalState.PENDING
    by = answer.reviewer
    _close(conn, answer.tenant, asked, state, by=by, reason=answer.reason)
    if asked.kind == ApprovalKind.VERSION:
        return _settle_version(conn, answer, asked, state)
    if asked.kind == ApprovalKind.LIMIT:
        return raising.settle(conn, answer, asked, state)
    if asked.kind == ApprovalKind.ROLLBACK:
        return settle_plan(conn, answer.tenant, asked, state, f"reviewer:{by}", answer.reason)
    if is_undos_doubt(asked):
        return settle_doubt(conn, answer, asked)
    if asked.kind == ApprovalKind.IN_DOUBT:
        state = _settle_doubt(conn, answer, asked)
    elif asked.kind in QUESTIONS and state is ApprovalState.APPROVED:
        state = settle_question(conn, answer, asked)
    else:
        _move_call(conn, answer.tenant, asked, CallState(state), f"reviewer:{by}", answer.reason)
    wake(
        conn,
        tenant=answer.tenant,
        run_id=asked.run_id,
        why=f"{by}: {answer.kind}",
        actor=f"reviewer:{by}",
    )
    return state


def check_attestation(answer: Mapping[str, Any] | None, asked: Row[Any]) -> None:
    """Refuse an answer about a call in doubt that says neither yes, no, nor abandon; and a "no"
    while the call may still be sent.

    Raises:
        InvalidDecision: with the forms it can have, or from when on it can be given.
    """
    said = answer or {}
    fine = (set(said) <= {"happened", "result"} and isinstance(said.get("happened"), bool)) or dict(
        said
    ) == {"abandon": True}
    if not fine:
        raise InvalidDecision(
            'A call in doubt is answered with {"happened": true or false} or {"abandon": true}. '
            "Nothing was recorded."
        )
    if said.get("happened") is False and "result" in said:
        raise InvalidDecision("What did not happen has no result. Nothing was recorded.")
    if said.get("happened") is False and asked.may_be_sent:
        until = asked.send_before.astimezone(UTC)
        raise InvalidDecision(
            f"This call of {asked.tool} may still be sent until {until:%H:%M:%S} UTC, so nobody "
            "can know yet that it did not happen. Nothing was recorded; say so after that."
        )


def expire_due(db: Database) -> int:
    """Close each approval whose time is over: the call did not run, and nobody said no."""
    with db.begin() as conn:
        due = execute(conn, "due_approvals").all()
    return sweep(due, lambda row: _expire(db, row.tenant_id, row.run_id, row.id))


def _expire(db: Database, tenant: str, run_id: UUID, approval_id: UUID) -> bool:
    with db.begin() as conn:
        execute(conn, "lock_run", tenant=tenant, run_id=run_id)
        asked = execute(conn, "lock_approval", tenant=tenant, approval_id=approval_id).one()
        if asked.state != ApprovalState.PENDING or not asked.expired:
            return False
        reason = "Nobody decided in time."
        _close(conn, tenant, asked, ApprovalState.EXPIRED, by=None, reason=reason)
        if asked.call_id is not None:
            _move_call(conn, tenant, asked, CallState.EXPIRED, "interlock", reason)
        if asked.kind == ApprovalKind.ROLLBACK:
            settle_plan(conn, tenant, asked, ApprovalState.EXPIRED, "interlock", None)
        wake(conn, tenant=tenant, run_id=run_id, why="An approval expired.", actor="interlock")
    return True


def _close(
    conn: Connection,
    tenant: str,
    asked: Row[Any],
    state: ApprovalState,
    *,
    by: str | None,
    reason: str | None,
) -> None:
    closed = execute(
        conn,
        "close_approval",
        tenant=tenant,
        approval_id=asked.id,
        digest=bytes(asked.digest),
        state=state,
        by=by,
        reason=reason,
    ).rowcount
    if closed != 1:
        raise Conflict("The approval changed meanwhile; nothing was recorded.")
    record(
        conn,
        tenant=tenant,
        event=f"approval.{state}",
        actor=f"reviewer:{by}" if by else "interlock",
        run_id=asked.run_id,
        call_id=asked.call_id,
        approval_id=asked.id,
        subject=asked.id,
        state=state,
        detail={"digest": bytes(asked.digest).hex(), "reason": reason},
    )


def _move_call(
    conn: Connection,
    tenant: str,
    asked: Row[Any],
    state: CallState,
    actor: str,
    reason: str | None,
) -> None:
    moved = execute(
        conn, "settle_waiting_call", tenant=tenant, call_id=asked.call_id, state=state
    ).rowcount
    if moved != 1:
        raise Conflict("The call changed meanwhile; nothing was recorded.")
    _note_call(conn, tenant, asked, state, actor, {"reason": reason})


def _settle_doubt(conn: Connection, answer: Answer, asked: Row[Any]) -> ApprovalState:
    said = answer.answer or {}
    by = answer.reviewer
    good = (
        success(said.get("result", f"{by} attests that it happened."))
        if said.get("happened")
        else None
    )
    if good:
        state, error = CallState.SUCCEEDED, None
    elif "abandon" in said:
        state, error = (
            CallState.ABANDONED,
            f"{by} gave this call up; whether it happened is unknown.",
        )
    else:
        state, error = CallState.FAILED, f"{by} attests that it did not happen."
    attested = execute(
        conn,
        "attest_call",
        tenant=answer.tenant,
        call_id=asked.call_id,
        state=state,
        result_type=good and good.type,
        result=good and good.data,
        error=error,
        by=by,
    ).rowcount
    if attested != 1:
        raise Conflict("The call was settled meanwhile; nothing was recorded.")
    actor = f"reviewer:{by}"
    _note_call(conn, answer.tenant, asked, state, actor, {"attested_by": by})
    return use_up(conn, answer, asked)


def _settle_version(
    conn: Connection, answer: Answer, asked: Row[Any], state: ApprovalState
) -> ApprovalState:
    run = execute(conn, "lock_run", tenant=answer.tenant, run_id=asked.run_id).one()
    actor = f"reviewer:{answer.reviewer}"
    if state is ApprovalState.REJECTED:
        hold = Hold(answer.tenant, asked.run_id, "", run.epoch, asked.run_id)
        end(
            conn,
            hold,
            exit=Exit.REJECTED,
            reason=f"{answer.reviewer} did not let it go on with a changed agent: {answer.reason}",
            status=RunStatus(run.status),
            actor=actor,
        )
        return state
    execute(
        conn,
        "repin_run",
        tenant=answer.tenant,
        run_id=asked.run_id,
        fingerprint=asked.preview["to"],
    )
    record(
        conn,
        tenant=answer.tenant,
        event="run.repinned",
        actor=actor,
        run_id=asked.run_id,
        approval_id=asked.id,
        detail={"from": asked.preview["from"], "to": asked.preview["to"]},
    )
    wake(
        conn, tenant=answer.tenant, run_id=asked.run_id, why="A version was accepted.", actor=actor
    )
    return use_up(conn, answer, asked)


def _note_call(
    conn: Connection,
    tenant: str,
    asked: Row[Any],
    state: CallState,
    actor: str,
    detail: Mapping[str, Any],
) -> None:
    record(
        conn,
        tenant=tenant,
        event=f"call.{state}",
        actor=actor,
        run_id=asked.run_id,
        call_id=asked.call_id,
        approval_id=asked.id,
        subject=asked.call_id,
        state=state,
        detail={"tool": asked.tool, "digest": bytes(asked.digest).hex(), **detail},
    )
