"""Approvals that do not stand any more: closed with their reason; the call is asked for anew."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..policies.verdict import Duty, Terms
from . import target
from .audit import record
from .database import execute
from .doubt import note
from .drift import AS_IT_WAS, Approved, Today, drift, reason_of
from .errors import Conflict
from .hold import fence
from .judgement import public
from .lifecycle import ApprovalState, CallState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from ..tools.gated import Ask
    from .call import Call
    from .database import Database
    from .drift import Change
    from .hold import Hold
    from .judgement import Judgement


class Standing:
    """Whether the approvals of one execution of a run still stand."""

    def __init__(self, db: Database, hold: Hold) -> None:
        self._db = db
        self._hold = hold

    def lapses(self, ask: Ask, call: Call, judgement: Judgement) -> bool:
        """Measure and judge an approved call once more; if its approval does not stand, close it.

        Blocks; no transaction is open while the target is measured.

        Raises:
            Fenced: this executor no longer holds the run.
        """
        fingerprint = call.fingerprint
        if not judgement.is_forbidden:  # else there may be no arguments to measure by
            fingerprint = target.measure(ask.tool, public(ask.tool, judgement.typed))
        changes = self._since(call, Today(ask.tool.spec, judgement, fingerprint))
        if changes:
            self._db.retry(lambda conn: lapse(conn, self._hold, call, changes))
        return bool(changes)

    def lapsed_by(self, before: Call, today: Today) -> tuple[Change, ...]:
        """Why a call is asked for again; nothing if its approval did not lapse."""
        return (self._since(before, today) or (AS_IT_WAS,)) if before.is_lapsed else ()

    def _since(self, call: Call, today: Today) -> tuple[Change, ...]:
        approved = self._db.retry(lambda conn: approved_under(conn, self._hold, call))
        return drift(call, approved, today)


def approved_under(conn: Connection, hold: Hold, call: Call) -> Approved:
    """What the call was approved under, and how long ago by the database's clock."""
    row = execute(conn, "approved_terms", tenant=hold.tenant, approval_id=call.approval_id).one()
    return Approved(
        terms=terms_of(row),
        age=timedelta(seconds=row.age),
        is_short=row.is_short,
        by=tuple(row.approved_by),
        counted=tuple(row.counted),
    )


def terms_of(row: Row[Any]) -> Terms:
    """The terms of an approval, from its columns."""
    return Terms(
        reviewers=tuple(row.reviewers),
        quorum=row.quorum,
        window=timedelta(seconds=row.use_within),
        each=row.each,
        escalation={group: timedelta(seconds=after) for group, after in row.escalation.items()},
        separation=frozenset(Duty(duty) for duty in row.separation),
        needs_reason=row.needs_reason,
        typed=row.typed,
    )


def lapse(conn: Connection, hold: Hold, call: Call, changes: Sequence[Change]) -> None:
    """Close the approval and its call with what changed; the next revision is judged after it.

    May be repeated after a lost answer.

    Raises:
        Fenced: this executor no longer holds the run.
        Conflict: the approval was used or closed otherwise.
    """
    fence(conn, hold)
    reason = reason_of(changes)
    lapsed = execute(
        conn,
        "lapse_approval",
        tenant=hold.tenant,
        approval_id=call.approval_id,
        digest=call.digest,
        reason=reason,
    ).rowcount
    if lapsed != 1:
        now = execute(conn, "call_state", tenant=hold.tenant, call_id=call.id).one()
        if now.state == CallState.SUPERSEDED:
            return
        raise Conflict(f"The approval of this call of {call.tool} is used or gone; it did not run.")
    record(
        conn,
        tenant=hold.tenant,
        event="approval.lapsed",
        actor=f"worker:{hold.worker_id}",
        run_id=hold.run_id,
        call_id=call.id,
        approval_id=call.approval_id,
        subject=call.approval_id,
        state=ApprovalState.LAPSED,
        detail={
            "digest": call.digest.hex(),
            "reason": reason,
            "changes": [change.as_json() for change in changes],
        },
    )
    superseded = execute(conn, "supersede_call", tenant=hold.tenant, call_id=call.id).rowcount
    if superseded != 1:
        raise Conflict(f"The call of {call.tool} changed meanwhile; it did not run.")
    note(conn, hold, call, "call.superseded", CallState.SUPERSEDED, {"reason": reason})
