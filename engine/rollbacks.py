"""Rolling a run back: the plan of it, and asking for what the plan says.

Looking at the plan changes nothing. Whoever asks for the rollback names the plan's digest; then a
worker that has the tools carries it out (`rollback_work`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from ..policies.terms import DEFAULT_TERMS
from ..policies.verdict import Duty
from ..tools.undo import UndoTerms
from .audit import record
from .database import execute
from .errors import Conflict, NotFound
from .hold import Hold
from .lifecycle import ApprovalKind, Exit, RunStatus
from .raising import withdraw
from .requests import request_approval
from .rollback_journal import note_rollback
from .rollback_plan import Done, Offer, Plan, Scope, work_out
from .runs import end, hint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any
    from uuid import UUID

    from sqlalchemy import Connection

    from .database import Database

_FINAL_TERMS = replace(DEFAULT_TERMS, separation=frozenset({Duty.REQUESTER}), typed=True)
"""Of a plan with an undo that cannot be undone itself: the word of a second person."""


class PlanChanged(Conflict):
    """What was confirmed is not the plan as it stands now; nothing was undone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking for a rollback came to.

    Attributes:
        rollback_id: None while the run is still being stopped.
        state: of the rollback; `stopping` while the run is.
        approval_id: what a person has to approve first.
    """

    run_id: UUID
    rollback_id: UUID | None
    state: str
    approval_id: UUID | None

    def as_json(self) -> dict[str, Any]:
        """The answer as the API gives it."""
        return {
            "run_id": str(self.run_id),
            "rollback_id": str(self.rollback_id) if self.rollback_id else None,
            "state": self.state,
            "approval_id": str(self.approval_id) if self.approval_id else None,
        }


STOPPING = "stopping"
"""The run was asked to stop; its plan can be confirmed once it has."""


def plan_rollback(conn: Connection, *, tenant: str, run_id: UUID, scope: Scope) -> Plan:
    """The plan as it stands now.

    Raises:
        NotFound: there is no such run, or it made no call that the scope names.
    """
    run = execute(conn, "rollback_run", tenant=tenant, run_id=run_id).one_or_none()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    rows = execute(conn, "rollback_calls", tenant=tenant, run_id=run_id).all()
    calls = [
        Done(
            id=row.id,
            tool=row.tool,
            tool_version=row.tool_version,
            effect=row.effect,
            state=row.state,
            attested_by=row.attested_by,
            undo_state=row.undo_state,
            undo_error=row.undo_error,
            restored=row.restored,
        )
        for row in rows
    ]
    found = execute(
        conn, "live_tools", tenant=tenant, agent=run.agent, fingerprint=run.fingerprint
    ).all()
    return work_out(run_id, run.agent, scope, calls, [_offers(row.tools) for row in found])


def _offers(tools: Mapping[str, Any]) -> dict[str, Offer]:
    """What an agent registered; what an older version of Interlock registered has no terms."""
    return {
        name: Offer(
            terms["version"],
            UndoTerms.from_json(terms.get("undo_terms") or UndoTerms().as_json())
            if terms.get("undo")
            else None,
        )
        for name, terms in tools.items()
    }


def ask_rollback(
    db: Database, *, tenant: str, run_id: UUID, digest: str, by: str, scope: Scope | None = None
) -> Asked:
    """Roll back what the plan with this digest says; an open run is ended first, as cancelled.

    The same digest again returns what was asked for before.

    Raises:
        NotFound: there is no such run, or it made no call that the scope names.
        PlanChanged: the plan is another one by now.
        Conflict: another rollback of the run is under way, or there is nothing to undo.
    """
    with db.begin() as conn:
        asked = _ask(conn, tenant, run_id, digest, by, scope or Scope())
    hint(db)
    return asked


def _ask(conn: Connection, tenant: str, run_id: UUID, digest: str, by: str, scope: Scope) -> Asked:
    run = execute(conn, "lock_run", tenant=tenant, run_id=run_id).one_or_none()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    under_way = execute(conn, "open_rollback", tenant=tenant, run_id=run_id).one_or_none()
    if under_way is not None:
        if bytes(under_way.digest).hex() != digest:
            raise Conflict(f"Run {run_id} is being rolled back already. Nothing was changed.")
        return Asked(run_id, under_way.id, under_way.state, under_way.approval_id)
    plan = plan_rollback(conn, tenant=tenant, run_id=run_id, scope=scope)
    if plan.digest.hex() != digest:
        raise PlanChanged(
            f"The plan for run {run_id} changed since you saw it. Nothing was undone; look again."
        )
    if not plan.undos:
        raise Conflict(
            f"Run {run_id} has done nothing that can be undone now. Nothing was changed."
        )
    if run.status == RunStatus.RUNNING:
        execute(conn, "request_cancel", tenant=tenant, run_id=run_id, by=by)
        record(conn, tenant=tenant, event="run.cancel_requested", actor=by, run_id=run_id)
        return Asked(run_id, None, STOPPING, None)
    hold = Hold(tenant, run_id, plan.agent, run.epoch, run_id)
    if run.status != RunStatus.ENDED:
        reason = f"Stopped by {by.partition(':')[2] or by}, to be rolled back."
        status = RunStatus(run.status)
        end(conn, hold, exit=Exit.CANCELLED, reason=reason, status=status, actor=by)
    return _store(conn, hold, plan, by)


def _store(conn: Connection, hold: Hold, plan: Plan, by: str) -> Asked:
    rollback_id: UUID = uuid7()
    withdraw(conn, tenant=hold.tenant, run_id=hold.run_id, actor=by)
    approval_id = _request(conn, hold, plan) if plan.needs_approval else None
    state = RunStatus.WAITING if approval_id else RunStatus.QUEUED
    execute(
        conn,
        "insert_rollback",
        tenant=hold.tenant,
        id=rollback_id,
        run_id=hold.run_id,
        needs=plan.needs,
        plan=plan.data,
        digest=plan.digest,
        approval_id=approval_id,
        by=by,
        state=state,
    )
    for position, undo in enumerate(plan.undos, 1):
        execute(
            conn,
            "insert_undo",
            tenant=hold.tenant,
            id=uuid7(),
            rollback_id=rollback_id,
            call_id=undo.call_id,
            position=position,
            effect=undo.effect,
            recovery=undo.recovery,
            unsure=undo.unsure,
        )
    detail = {"digest": plan.digest.hex(), "plan": plan.as_json()}
    note_rollback(conn, hold.tenant, hold.run_id, rollback_id, "asked", by, state, detail)
    return Asked(hold.run_id, rollback_id, state, approval_id)


def _request(conn: Connection, hold: Hold, plan: Plan) -> UUID:
    approval_id: UUID = uuid7()
    calls = "1 call" if len(plan.undos) == 1 else f"{len(plan.undos)} calls"
    run = str(hold.run_id)[-8:]
    terms = _FINAL_TERMS if plan.final else DEFAULT_TERMS
    request_approval(
        conn,
        hold,
        approval_id=approval_id,
        kind=ApprovalKind.ROLLBACK,
        call_id=None,
        digest=plan.digest,
        headline=f"Roll back {calls} of run {run}",
        reason=_why_a_person(plan),
        preview=plan.as_json(),
        terms=terms,
        expires_seconds=terms.expires.total_seconds(),
        confirm=run if terms.typed else None,
    )
    return approval_id


def _why_a_person(plan: Plan) -> str:
    if plan.final:
        return f"The undo of {', '.join(plan.final)} cannot be undone itself."
    return "It is not known of every call in the plan whether it happened."
