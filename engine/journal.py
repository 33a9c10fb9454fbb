"""The calls of a run that are looked up, and those that wait for a person: T1, T3, T4.

Each function is one step inside the caller's transaction; the gate opens the transactions. Calls
that run by themselves are in `call_writes`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from ..policies.verdict import Outcome as PolicyOutcome
from . import lifecycle
from .audit import record
from .call import Call, Proposal
from .call_writes import at_birth, digest_of, row_of
from .confirmation import to_type
from .database import execute
from .doubt import doubt, note, withdraw
from .errors import ApprovalVoid, CancelRequested, Conflict, Fenced
from .hold import Hold, fence
from .lifecycle import ApprovalState, CallState
from .limits import DayIsFull, LimitReached
from .outcome import Failed, InDoubt, Outcome, Succeeded
from .requests import request_approval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from .drift import Change
    from .judgement import Shown
    from .limits import Usage

_BORN = {
    PolicyOutcome.REVIEW: CallState.WAITING,
    PolicyOutcome.FORBID: CallState.FORBIDDEN,
}
_BIRTH_EVENT = {
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
    conn: Connection,
    hold: Hold,
    proposal: Proposal,
    shown: Shown,
    *,
    used: Usage,
    changes: Sequence[Change] = (),
) -> Call:
    """T1 of a call that may not run by itself: with its verdict, its approval, the audit entries.

    Idempotent by key: what is there already is what counts. `used` is what the run has used, and
    `changes` say why it is asked for again.

    Raises:
        Fenced: this executor no longer holds the run.
        CancelRequested: a person cancelled the run.
    """
    lock(conn, hold)
    found = find(conn, hold, proposal.key)
    if found is not None and found.revision >= proposal.revision:
        return found
    count(conn, hold, used)
    _insert(conn, hold, proposal, shown, changes)
    call = find(conn, hold, proposal.key)
    if call is None:
        raise Conflict(f"A call of {proposal.spec.name} was not recorded and did not run.")
    return call


def lock(conn: Connection, hold: Hold) -> None:
    """Have the run for this transaction.

    Raises:
        Fenced: this executor no longer holds the run.
        CancelRequested: a person cancelled the run.
    """
    run = execute(conn, "lock_run", tenant=hold.tenant, run_id=hold.run_id).one()
    if run.status != "running" or run.epoch != hold.epoch:
        raise Fenced(f"Run {hold.run_id} is no longer held by this worker.")
    if run.cancel_requested_by is not None:
        raise CancelRequested(run.cancel_requested_by)


def count(conn: Connection, hold: Hold, used: Usage) -> None:
    """Write down what the run has used of its calls.

    Raises:
        DayIsFull: its tenant's limit of irreversible calls a day has no room for one more.
    """
    answer = execute(
        conn,
        "count_calls",
        tenant=hold.tenant,
        run_id=hold.run_id,
        calls=used.calls,
        irreversible=used.irreversible,
    ).scalar_one()
    if answer["said"] == "refused":
        about_to = f"nobody was asked about the next one, after {answer['used']:,} today."
        raise DayIsFull(LimitReached(answer["limit"], answer["allowed"], about_to))


def _insert(
    conn: Connection, hold: Hold, proposal: Proposal, shown: Shown, changes: Sequence[Change]
) -> None:
    state = _BORN[proposal.verdict.outcome]
    lifecycle.check(CallState.PROPOSED, state)
    call_id: UUID = uuid7()
    digest = digest_of(hold, proposal)
    approval_id: UUID | None = uuid7() if state is CallState.WAITING else None
    row = {
        **row_of(proposal, digest, state),
        "approval_id": approval_id,
        "grant_id": None,
        "fingerprint": shown.fingerprint,
    }
    execute(conn, "insert_call", tenant=hold.tenant, id=call_id, run_id=hold.run_id, **row)
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
        detail=at_birth(row),
    )
    if approval_id is not None:
        _request(conn, hold, proposal, shown, call_id, approval_id, digest, changes)


def _request(
    conn: Connection,
    hold: Hold,
    proposal: Proposal,
    shown: Shown,
    call_id: UUID,
    approval_id: UUID,
    digest: bytes,
    changes: Sequence[Change],
) -> None:
    terms = proposal.verdict.terms
    if terms is None:
        raise Conflict(f"A review of {proposal.spec.name} has no terms; the call did not run.")
    request_approval(
        conn,
        hold,
        approval_id=approval_id,
        kind=shown.kind,
        call_id=call_id,
        digest=digest,
        headline=shown.headline,
        reason=proposal.verdict.reason,
        preview=shown.preview,
        terms=terms,
        expires_seconds=terms.expires.total_seconds(),
        confirm=_word(proposal, shown) if terms.typed else None,
        changes=changes,
    )


def _word(proposal: Proposal, shown: Shown) -> str:
    return to_type(proposal.spec.name, json.loads(proposal.args), shown.headline)


def start(conn: Connection, hold: Hold, call: Call, token: UUID) -> bool:
    """T3: fence, approval consumed, `executing`; the effect may follow once this is committed.

    `token` names this one start, so that a repeat after a lost answer is told from a second start:
    false for such a repeat.

    Raises:
        Fenced: this executor no longer holds the run.
        ApprovalVoid: the approval does not stand any more.
        Conflict: the call is not, or no longer, free to start.
    """
    fence(conn, hold)
    now = execute(conn, "call_state", tenant=hold.tenant, call_id=call.id).one()
    if now.state == CallState.EXECUTING and now.start_token == token:
        return False
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
    return True


def _consume(conn: Connection, hold: Hold, call: Call) -> None:
    consumed = execute(
        conn,
        "consume_approval",
        tenant=hold.tenant,
        approval_id=call.approval_id,
        digest=call.digest,
    ).rowcount
    if consumed != 1:
        where = {"tenant": hold.tenant, "approval_id": call.approval_id}
        if execute(conn, "approved_terms", **where).one().state == ApprovalState.APPROVED:
            raise ApprovalVoid(f"The approval of this call of {call.tool} does not stand.")
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
