"""A run that a limit ended: a person may raise the limit, and it goes on from where it was."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from ..policies.terms import DEFAULT_TERMS
from .audit import record
from .database import execute
from .digest import canonical
from .errors import Conflict, InvalidDecision, UsageError
from .hold import Hold
from .lifecycle import ApprovalKind, ApprovalState, DecisionKind, Exit, RunStatus
from .limits import LimitReached, Limits
from .requests import request_approval, use_up
from .runs import end
from .sweep import sweep
from .wake import note_run

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from .answer import Answer
    from .database import Database


def ask(conn: Connection, hold: Hold, reached: LimitReached) -> None:
    """Put it to a person, in the transaction that ends the run, whether the limit is raised.

    Nobody is asked about a run that somebody cancelled meanwhile.
    """
    run = execute(conn, "lock_run", tenant=hold.tenant, run_id=hold.run_id).one()
    if run.cancel_requested_by is not None:
        return
    measured = {
        "limit": reached.limit,
        "allowed": reached.allowed,
        "raise_to": Limits.doubled(reached.limit, reached.allowed, reached.least),
    }
    request_approval(
        conn,
        hold,
        approval_id=uuid7(),
        kind=ApprovalKind.LIMIT,
        call_id=None,
        digest=hashlib.sha256(canonical({"run": str(hold.run_id), **measured})).digest(),
        headline=f"{hold.agent} stopped at its limit of {reached.cap}",
        reason=str(reached),
        preview=measured,
        terms=DEFAULT_TERMS,
        expires_seconds=DEFAULT_TERMS.expires.total_seconds(),
    )


def end_overdue(db: Database) -> int:
    """End each run that waits for a person and has been there for as long as it may."""
    with db.begin() as conn:
        due = execute(conn, "overdue_runs").all()
    return sweep(due, partial(_end_overdue, db))


def _end_overdue(db: Database, row: Row[Any]) -> bool:
    hold = Hold(row.tenant_id, row.id, row.agent, row.epoch, row.id)
    reached = LimitReached("wall_seconds", row.limit_wall_seconds, "it still waited for a person.")
    with db.begin() as conn:
        ended = end(
            conn,
            hold,
            exit=Exit.LIMIT_REACHED,
            reason=str(reached),
            status=RunStatus.WAITING,
            actor="interlock",
        )
        if ended:
            ask(conn, hold, reached)
    return ended


def check(conn: Connection, answer: Answer, asked: Row[Any]) -> None:
    """Refuse an answer that raises nothing.

    Raises:
        InvalidDecision: it names no limit, or none that it raises; or the run cannot go on.
    """
    if answer.kind is DecisionKind.REJECT:
        return
    run = execute(conn, "lock_run", tenant=answer.tenant, run_id=asked.run_id).one()
    try:
        _higher(answer, asked, run)
    except UsageError as error:
        raise InvalidDecision(f"{error} Nothing was recorded.") from None


def settle(
    conn: Connection, answer: Answer, asked: Row[Any], state: ApprovalState
) -> ApprovalState:
    """Let the run go on with higher limits, or leave it ended."""
    if state is not ApprovalState.APPROVED:
        return state
    run = execute(conn, "lock_run", tenant=answer.tenant, run_id=asked.run_id).one()
    higher = _higher(answer, asked, run)
    raised = execute(
        conn, "raise_limits", tenant=answer.tenant, run_id=asked.run_id, **higher.as_json()
    ).rowcount
    if raised != 1:
        raise Conflict("The run changed meanwhile; nothing was recorded.")
    note_run(
        conn,
        answer.tenant,
        asked.run_id,
        "run.raised",
        f"reviewer:{answer.reviewer}",
        RunStatus.QUEUED,
        {"limits": higher.as_json()},
    )
    return use_up(conn, answer, asked)


def _higher(answer: Answer, asked: Row[Any], run: Row[Any]) -> Limits:
    """The run's limits as this answer would have them.

    Raises:
        UsageError: it names none, or none that it raises.
    """
    limits = Limits.of_row(run._asdict())
    if answer.kind is DecisionKind.APPROVE:
        return limits.raised({asked.preview["limit"]: asked.preview["raise_to"]})
    said = answer.answer or {}
    if set(said) != {"limits"} or not isinstance(said["limits"], dict):
        raise UsageError(
            'A limit is raised with {"limits": {"NAME": number}}, or as proposed by approving.'
        )
    higher = limits.raised(said["limits"])
    reached = asked.preview["limit"]
    if reached not in said["limits"]:
        raise UsageError(f"The run stopped at its limit of '{reached}', which has to be raised.")
    return higher


def withdraw(conn: Connection, *, tenant: str, run_id: UUID, actor: str) -> None:
    """Close what was asked about a limit of a run that is rolled back."""
    reason = "The run is rolled back."
    for row in execute(conn, "withdraw_raise", tenant=tenant, run_id=run_id, reason=reason):
        record(
            conn,
            tenant=tenant,
            event=f"approval.{row.state}",
            actor=actor,
            run_id=run_id,
            approval_id=row.id,
            subject=row.id,
            state=row.state,
            detail={"reason": reason},
        )
