"""The calls of a run: found, proposed (T1), started (T3), finished (T4).

Each function is one step inside the caller's transaction; the gate opens the transactions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from ..policies.verdict import Outcome as PolicyOutcome
from . import lifecycle
from .audit import record
from .call import Call, Proposal
from .database import execute
from .digest import call_digest
from .doubt import doubt, note, withdraw
from .errors import CancelRequested, Conflict, Fenced
from .hold import Hold, fence
from .lifecycle import ApprovalKind, ApprovalState, CallState
from .limits import LimitReached, Limits, Usage, next_call
from .outcome import Failed, InDoubt, Outcome, Succeeded
from .requests import request_approval

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

_BORN = {
    PolicyOutcome.ALLOW: CallState.ALLOWED,
    PolicyOutcome.REVIEW: CallState.WAITING,
    PolicyOutcome.FORBID: CallState.FORBIDDEN,
}
_BIRTH_EVENT = {
    CallState.ALLOWED: "call.allowed",
    CallState.WAITING: "call.held",
    CallState.FORBIDDEN: "call.forbidden",
}


def find(conn: Connection, hold: Hold, key: bytes) -> Call | None:
    """The newest revision of the call with this key."""
    row = execute(conn, "find_call", tenant=hold.tenant, run_id=hold.run_id, key=key).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    return Call(**values | {"state": CallState(values["state"])})


def propose(
    conn: Connection, hold: Hold, proposal: Proposal, *, active_ms: int
) -> Call | LimitReached:
    """T1: the call with its verdict, its approval if a person must decide, and the audit entries.

    Idempotent by key: what is there already is what counts.

    Raises:
        Fenced: this executor no longer holds the run.
    """
    run = execute(conn, "lock_run", tenant=hold.tenant, run_id=hold.run_id).one()
    if run.status != "running" or run.epoch != hold.epoch:
        raise Fenced(f"Run {hold.run_id} is no longer held by this worker.")
    if run.cancel_requested_by is not None:
        raise CancelRequested(run.cancel_requested_by)
    found = find(conn, hold, proposal.key)
    if found is not None and found.revision >= proposal.revision:
        return found
    if proposal.revision == 1:
        limits = Limits(run.limit_steps, run.limit_calls, run.limit_seconds, run.limit_repeats)
        usage = Usage(run.used_steps, run.used_calls, run.used_ms + active_ms)
        same = execute(
            conn,
            "count_same_calls",
            tenant=hold.tenant,
            run_id=hold.run_id,
            tool=proposal.spec.name,
            args=proposal.args,
        ).scalar_one()
        reached = next_call(limits, usage, proposal.spec.name, same)
        if reached is not None:
            return reached
        execute(conn, "count_call", tenant=hold.tenant, run_id=hold.run_id)
    _insert(conn, hold, proposal)
    call = find(conn, hold, proposal.key)
    if call is None:
        raise Conflict(f"A call of {proposal.spec.name} was not recorded and did not run.")
    return call


def _insert(conn: Connection, hold: Hold, proposal: Proposal) -> None:
    state = _BORN[proposal.verdict.outcome]
    lifecycle.check(CallState.PROPOSED, state)
    call_id: UUID = uuid7()
    digest = call_digest(
        run_id=hold.run_id,
        key=proposal.key,
        tool=proposal.spec.name,
        tool_version=proposal.spec.version,
        args=proposal.args,
    )
    approval_id: UUID | None = uuid7() if state is CallState.WAITING else None
    row = _row(proposal, digest=digest, state=state, approval_id=approval_id)
    execute(conn, "insert_call", tenant=hold.tenant, id=call_id, run_id=hold.run_id, **row)
    told = ("tool", "tool_version", "revision", "effect", "source", "rule", "policies")
    record(
        conn,
        tenant=hold.tenant,
        event=_BIRTH_EVENT[state],
        actor=f"agent:{hold.agent}",
        run_id=hold.run_id,
        call_id=call_id,
        approval_id=approval_id,
        subject=call_id,
        state=state,
        detail={
            **{name: row[name] for name in told},
            "digest": digest.hex(),
            "policy": row["policy_digest"],
        },
    )
    if approval_id is not None:
        _request(conn, hold, proposal, call_id=call_id, approval_id=approval_id, digest=digest)


def _row(
    proposal: Proposal, *, digest: bytes, state: CallState, approval_id: UUID | None
) -> dict[str, Any]:
    """What a call is, column by column."""
    spec, place = proposal.spec, proposal.place
    classification, verdict = proposal.classification, proposal.verdict
    return {
        "key": proposal.key,
        "revision": proposal.revision,
        "ns": place.ns,
        "task_id": place.task_id,
        "tool_call_id": place.tool_call_id,
        "tool": spec.name,
        "tool_version": spec.version,
        "args": proposal.args,
        "digest": digest,
        "effect": classification.effect,
        "source": classification.source,
        "rule": classification.rule,
        "evidence": json.dumps(classification.evidence),
        "verdict": verdict.outcome,
        "policy_digest": verdict.policy_digest,
        "policies": list(verdict.policies),
        "reason": verdict.reason,
        "recovery": _recovery(proposal),
        "state": state,
        "approval_id": approval_id,
    }


def _recovery(proposal: Proposal) -> str:
    if proposal.classification.effect == "read":
        return "again"
    if proposal.spec.idempotent:
        return "same_key"
    return "verify" if proposal.spec.verifiable else "ask"


def _request(
    conn: Connection,
    hold: Hold,
    proposal: Proposal,
    *,
    call_id: UUID,
    approval_id: UUID,
    digest: bytes,
) -> None:
    terms = proposal.verdict.terms
    if terms is None:
        raise Conflict(f"A review of {proposal.spec.name} has no terms; the call did not run.")
    request_approval(
        conn,
        hold,
        approval_id=approval_id,
        kind=ApprovalKind.CALL,
        call_id=call_id,
        digest=digest,
        headline=proposal.headline,
        reason=proposal.verdict.reason,
        preview=proposal.preview,
        reviewers=terms.reviewers,
        quorum=terms.quorum,
        expires_seconds=terms.expires.total_seconds(),
    )


def start(conn: Connection, hold: Hold, call: Call, token: UUID) -> None:
    """T3: fence, approval consumed, `executing`; the effect may follow once this is committed.

    `token` names this one start, so that a repeat after a lost answer is told from a second start.

    Raises:
        Fenced: this executor no longer holds the run.
        Conflict: the call is not, or no longer, free to start.
    """
    fence(conn, hold)
    now = execute(conn, "call_state", tenant=hold.tenant, call_id=call.id).one()
    if now.state == CallState.EXECUTING and now.start_token == token:
        return
    if call.approval_id is not None and call.state is CallState.APPROVED:
        _consume(conn, hold, call)
    started = execute(
        conn,
        "start_call",
        tenant=hold.tenant,
        call_id=call.id,
        digest=call.digest,
        state=call.state,
        token=token,
    ).rowcount
    if started != 1:
        raise Conflict(f"The call of {call.tool} is {now.state} and was not started.")
    note(conn, hold, call, "call.started", CallState.EXECUTING, {"starts": call.starts + 1})


def _consume(conn: Connection, hold: Hold, call: Call) -> None:
    consumed = execute(
        conn,
        "consume_approval",
        tenant=hold.tenant,
        approval_id=call.approval_id,
        digest=call.digest,
    ).rowcount
    if consumed != 1:
        raise Conflict(f"The approval of this call of {call.tool} is used or gone; it did not run.")
    record(
        conn,
        tenant=hold.tenant,
        event="approval.consumed",
        actor=f"worker:{hold.worker_id}",
        run_id=hold.run_id,
        call_id=call.id,
        approval_id=call.approval_id,
        subject=call.approval_id,
        state=ApprovalState.CONSUMED,
        detail={"digest": call.digest.hex()},
    )


def finish(conn: Connection, hold: Hold, call: Call, token: UUID, outcome: Outcome) -> bool:
    """T4: the outcome, never fenced. False when another record stands and this one came late."""
    if isinstance(outcome, InDoubt):
        return doubt(conn, hold, call, token, outcome.error)
    good = outcome if isinstance(outcome, Succeeded) else None
    state = CallState.SUCCEEDED if good else CallState.FAILED
    error = outcome.error if isinstance(outcome, Failed) else None
    written = execute(
        conn,
        "finish_call",
        tenant=hold.tenant,
        call_id=call.id,
        token=token,
        state=state,
        result_type=good and good.type,
        result=good and good.data,
        error=error,
    ).rowcount
    if written:
        note(conn, hold, call, f"call.{state}", state, {"error": error} if error else {})
        withdraw(conn, hold, call)
    elif _is_contradicted(conn, hold, call, token, state):
        record(
            conn,
            tenant=hold.tenant,
            event="call.reported_late",
            actor=f"worker:{hold.worker_id}",
            run_id=hold.run_id,
            call_id=call.id,
            detail={"digest": call.digest.hex(), "reported": state, "error": error},
        )
    return bool(written)


def _is_contradicted(
    conn: Connection, hold: Hold, call: Call, token: UUID, state: CallState
) -> bool:
    """Whether this start's own report says otherwise than what a person attested meanwhile."""
    now = execute(conn, "call_state", tenant=hold.tenant, call_id=call.id).one()
    return bool(now.start_token == token and now.state != state)
