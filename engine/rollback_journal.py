"""Writing down what becomes of a rollback and of its undos: each with its audit entry.

Each function is one step inside the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from ..policies.terms import DEFAULT_TERMS
from .audit import record
from .database import execute
from .errors import Conflict, Fenced
from .hold import Hold
from .lifecycle import ApprovalKind, ApprovalState, CallState, RunStatus
from .outcome import Failed, InDoubt
from .requests import request_approval
from .rollback_next import Ask, Go, Over, Wait, choose

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from sqlalchemy import Connection, Row


@dataclass(frozen=True, slots=True)
class RollbackHold:
    """A rollback in the hands of one worker: good while its epoch is still this one."""

    tenant: str
    rollback_id: UUID
    run_id: UUID
    agent: str
    epoch: int
    worker_id: UUID

    @property
    def actor(self) -> str:
        """Who acts, for the audit log."""
        return f"worker:{self.worker_id}"


@dataclass(frozen=True, slots=True)
class Restored:
    """The undo ran to its end; `proved` if its target was compared with how the call found it."""

    proved: bool


@dataclass(frozen=True, slots=True)
class Differs:
    """The undo ran to its end, and its target is not as the call had found it."""

    error: str = "It ran to its end, and its target is not as the call had found it."


UndoOutcome = Restored | Differs | Failed | InDoubt


def fence(conn: Connection, hold: RollbackHold) -> None:
    """Refuse to go on with a rollback that this worker no longer holds.

    Raises:
        Fenced: another epoch began, or the rollback is not running.
    """
    held = execute(
        conn,
        "hold_rollback",
        tenant=hold.tenant,
        rollback_id=hold.rollback_id,
        epoch=hold.epoch,
    ).one_or_none()
    if held is None:
        raise Fenced(f"Rollback {hold.rollback_id} is no longer held by this worker.")


def following(conn: Connection, hold: RollbackHold) -> Go | None:
    """The next undo to carry out; None once the rollback waits or is over, which is written down.

    Raises:
        Fenced: this worker no longer holds the rollback.
    """
    fence(conn, hold)
    undos = execute(conn, "undos_of", tenant=hold.tenant, rollback_id=hold.rollback_id).all()
    step = choose(undos)
    match step:
        case Go():
            return step
        case Ask(undo):
            doubt(conn, hold, undo, undo.start_token, "Its worker was lost before it reported.")
            _move(conn, hold, RunStatus.WAITING, "parked")
        case Wait():
            _move(conn, hold, RunStatus.WAITING, "parked")
        case Over(outcome, reason):
            where = (hold.tenant, hold.run_id, hold.rollback_id)
            end_rollback(conn, *where, RunStatus.RUNNING, outcome, reason, hold.actor)
    return None


def start(conn: Connection, hold: RollbackHold, undo: Row[Any], token: UUID) -> None:
    """T3 of an undo: fence, `executing`, its call `undoing`; the effect follows the commit.

    Raises:
        Fenced: this worker no longer holds the rollback.
        Conflict: the undo is not, or no longer, free to start.
    """
    fence(conn, hold)
    now = execute(conn, "undo_token", tenant=hold.tenant, undo_id=undo.id).one()
    if now.state == CallState.EXECUTING and now.start_token == token:
        return
    started = execute(
        conn,
        "start_undo",
        tenant=hold.tenant,
        undo_id=undo.id,
        state=undo.state,
        starts=undo.starts,
        token=token,
    ).rowcount
    if started != 1:
        raise Conflict(f"The undo of {undo.tool} is {now.state} and was not started.")
    detail = {"undo": str(undo.id), "starts": undo.starts + 1}
    _note_undo(conn, hold, undo, "undo.started", CallState.EXECUTING, detail)
    if undo.call_state == CallState.UNDOING:
        return
    begun = execute(
        conn, "begin_undoing", tenant=hold.tenant, call_id=undo.call_id, unsure=undo.unsure
    ).rowcount
    if begun != 1:
        raise Conflict(f"The call of {undo.tool} changed meanwhile; it was not undone.")
    _note_call(conn, hold, undo, CallState.UNDOING, hold.actor)
    _withdraw(conn, hold, undo, "The call is undone by a rollback.")


def finish(
    conn: Connection, hold: RollbackHold, undo: Row[Any], token: UUID, outcome: UndoOutcome
) -> None:
    """T4 of an undo: what became of it, never fenced; one that came late settles a doubt.

    Whoever chooses what comes next in the rollback meanwhile is waited for: its choice rests on
    this not having been reported, and would otherwise not be woken by it.
    """
    where = {"tenant": hold.tenant, "rollback_id": hold.rollback_id}
    execute(conn, "lock_rollback", **where, approval_id=None)
    if isinstance(outcome, InDoubt):
        doubt(conn, hold, undo, token, outcome.error)
        return
    restored: bool | None = None
    error: str | None = None
    match outcome:
        case Restored(proved):
            state, restored = CallState.SUCCEEDED, True if proved else None
        case Differs():
            state, restored, error = CallState.FAILED, False, outcome.error
        case Failed():
            state, error = CallState.FAILED, outcome.error
    written = execute(
        conn,
        "finish_undo",
        tenant=hold.tenant,
        undo_id=undo.id,
        token=token,
        state=state,
        error=error,
        restored=restored,
    ).rowcount
    if not written:
        _note_late(conn, hold, undo, token, state, error)
        return
    detail = {"undo": str(undo.id), "restored": restored, "error": error}
    _note_undo(conn, hold, undo, f"undo.{state}", state, detail)
    _settle_call(conn, hold, undo, state, hold.actor)
    if _withdraw(conn, hold, undo, "The worker reported the outcome after all."):
        wake_rollback(conn, hold.tenant, hold.run_id, hold.rollback_id, hold.actor)


def doubt(
    conn: Connection, hold: RollbackHold, undo: Row[Any], token: UUID | None, error: str
) -> None:
    """A started undo of which nobody knows whether it happened: a person is asked."""
    written = execute(
        conn, "doubt_undo", tenant=hold.tenant, undo_id=undo.id, token=token, error=error
    ).rowcount
    if not written:
        return
    detail = {"undo": str(undo.id), "error": error}
    _note_undo(conn, hold, undo, "undo.in_doubt", CallState.IN_DOUBT, detail)
    request_approval(
        conn,
        Hold(hold.tenant, hold.run_id, hold.agent, hold.epoch, hold.worker_id),
        approval_id=uuid7(),
        kind=ApprovalKind.IN_DOUBT,
        call_id=undo.call_id,
        digest=bytes(undo.digest),
        headline=f"The undo of {undo.tool} may have run, and its outcome is unknown",
        reason=error,
        preview={"undo": str(undo.id), "rollback": str(hold.rollback_id)},
        terms=DEFAULT_TERMS,
    )


def attest(
    conn: Connection, hold: RollbackHold, undo: Row[Any], said: Mapping[str, Any], by: str
) -> CallState:
    """What a person says became of an undo in doubt.

    Raises:
        Conflict: it was settled meanwhile.
    """
    if said.get("happened"):
        state, error = CallState.SUCCEEDED, None
    elif "abandon" in said:
        state = CallState.ABANDONED
        error = f"{by} gave it up; whether the call is undone is unknown."
    else:
        state, error = CallState.FAILED, f"{by} attests that it did not happen."
    attested = execute(
        conn, "attest_undo", tenant=hold.tenant, undo_id=undo.id, state=state, error=error, by=by
    ).rowcount
    if attested != 1:
        raise Conflict("The undo was settled meanwhile; nothing was recorded.")
    actor = f"reviewer:{by}"
    detail = {"undo": str(undo.id), "attested_by": by, "error": error}
    _note_undo(conn, hold, undo, f"undo.{state}", state, detail, actor)
    _settle_call(conn, hold, undo, state, actor)
    wake_rollback(conn, hold.tenant, hold.run_id, hold.rollback_id, actor)
    return state


def release(conn: Connection, hold: RollbackHold) -> None:
    """Give a rollback back, for any worker to take up; nothing if another one has it.

    Raises:
        Fenced: this worker no longer holds it.
    """
    fence(conn, hold)
    _move(conn, hold, RunStatus.QUEUED, "released")


def wake_rollback(
    conn: Connection, tenant: str, run_id: UUID, rollback_id: UUID, actor: str
) -> None:
    """Have a rollback that waits go on."""
    moved = execute(
        conn,
        "move_rollback",
        tenant=tenant,
        rollback_id=rollback_id,
        before=RunStatus.WAITING,
        state=RunStatus.QUEUED,
        outcome=None,
        reason=None,
    ).rowcount
    if moved:
        note_rollback(conn, tenant, run_id, rollback_id, "woken", actor, RunStatus.QUEUED, {})


def end_rollback(
    conn: Connection,
    tenant: str,
    run_id: UUID,
    rollback_id: UUID,
    before: str,
    outcome: str,
    reason: str,
    actor: str,
) -> None:
    """End a rollback; what it has not started falls away."""
    moved = execute(
        conn,
        "move_rollback",
        tenant=tenant,
        rollback_id=rollback_id,
        before=before,
        state=RunStatus.ENDED,
        outcome=outcome,
        reason=reason,
    ).rowcount
    if moved != 1:
        raise Conflict("The rollback changed meanwhile; nothing was recorded.")
    for row in execute(conn, "cancel_undos", tenant=tenant, rollback_id=rollback_id):
        record(
            conn,
            tenant=tenant,
            event="undo.cancelled",
            actor=actor,
            run_id=run_id,
            call_id=row.call_id,
            subject=row.id,
            state=CallState.CANCELLED,
            detail={"undo": str(row.id), "rollback": str(rollback_id)},
        )
    detail = {"outcome": outcome, "reason": reason}
    note_rollback(conn, tenant, run_id, rollback_id, "ended", actor, RunStatus.ENDED, detail)


def note_rollback(
    conn: Connection,
    tenant: str,
    run_id: UUID,
    rollback_id: UUID,
    what: str,
    actor: str,
    state: str,
    detail: Mapping[str, Any],
) -> None:
    """Audit what became of a rollback, in the transaction that made it so."""
    record(
        conn,
        tenant=tenant,
        event=f"rollback.{what}",
        actor=actor,
        run_id=run_id,
        subject=rollback_id,
        state=state,
        detail={"rollback": str(rollback_id), **detail},
    )


def _move(conn: Connection, hold: RollbackHold, state: RunStatus, what: str) -> None:
    moved = execute(
        conn,
        "move_rollback",
        tenant=hold.tenant,
        rollback_id=hold.rollback_id,
        before=RunStatus.RUNNING,
        state=state,
        outcome=None,
        reason=None,
    ).rowcount
    if moved:
        where = (hold.tenant, hold.run_id, hold.rollback_id)
        note_rollback(conn, *where, what, hold.actor, state, {})


def _settle_call(
    conn: Connection, hold: RollbackHold, undo: Row[Any], state: CallState, actor: str
) -> None:
    reached = CallState.UNDONE if state is CallState.SUCCEEDED else CallState.UNDO_FAILED
    execute(conn, "finish_undoing", tenant=hold.tenant, call_id=undo.call_id, state=reached)
    _note_call(conn, hold, undo, reached, actor)


def _withdraw(conn: Connection, hold: RollbackHold, undo: Row[Any], reason: str) -> bool:
    """Close a question about the call that nobody has to answer any more."""
    closed = (
        execute(conn, "withdraw_question", tenant=hold.tenant, call_id=undo.call_id, reason=reason)
        .scalars()
        .all()
    )
    for approval_id in closed:
        record(
            conn,
            tenant=hold.tenant,
            event="approval.cancelled",
            actor=hold.actor,
            run_id=hold.run_id,
            call_id=undo.call_id,
            approval_id=approval_id,
            subject=approval_id,
            state=ApprovalState.CANCELLED,
            detail={"reason": reason},
        )
    return bool(closed)


def _note_late(
    conn: Connection,
    hold: RollbackHold,
    undo: Row[Any],
    token: UUID,
    state: CallState,
    error: str | None,
) -> None:
    now = execute(conn, "undo_token", tenant=hold.tenant, undo_id=undo.id).one()
    if now.start_token != token or now.state == state:
        return
    record(
        conn,
        tenant=hold.tenant,
        event="undo.reported_late",
        actor=hold.actor,
        run_id=hold.run_id,
        call_id=undo.call_id,
        detail={"undo": str(undo.id), "reported": state, "error": error},
    )


def _note_undo(
    conn: Connection,
    hold: RollbackHold,
    undo: Row[Any],
    event: str,
    state: CallState,
    detail: Mapping[str, Any],
    actor: str | None = None,
) -> None:
    record(
        conn,
        tenant=hold.tenant,
        event=event,
        actor=actor or hold.actor,
        run_id=hold.run_id,
        call_id=undo.call_id,
        subject=undo.id,
        state=state,
        detail={"tool": undo.tool, "rollback": str(hold.rollback_id), **detail},
    )


def _note_call(
    conn: Connection, hold: RollbackHold, undo: Row[Any], state: CallState, actor: str
) -> None:
    record(
        conn,
        tenant=hold.tenant,
        event=f"call.{state}",
        actor=actor,
        run_id=hold.run_id,
        call_id=undo.call_id,
        subject=undo.call_id,
        state=state,
        detail={
            "tool": undo.tool,
            "digest": bytes(undo.digest).hex(),
            "rollback": str(hold.rollback_id),
        },
    )
