"""The statements about calls, their approvals and the decisions on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rows import APPROVAL_STATES, CALL_STATES, TENANT
from statement import ANOTHER, NOBODY, case, of
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from rows import Call, Rows

LONG_AFTER = datetime(2999, 1, 1, tzinfo=UTC)
ALIKE = "select alike_to(a) ->> 0 is not null from approvals a where a.id = %(approval_id)s"
DONE = {"state": "succeeded", "result_type": "json", "result": b"1", "error": None}


@case("call_state", tenant=ANOTHER, call_id=NOBODY)
@case("find_call", tenant=ANOTHER, run_id=NOBODY, key=bytes(32))
@case("calls_made", tenant=ANOTHER, run_id=NOBODY)
def a_call(rows: Rows, _: str) -> dict[str, Any]:
    return of(rows, rows.call("succeeded"))


@case(
    "past_calls",
    tenant=ANOTHER,
    after=UUID(int=2**128 - 1),
    until=NOBODY,
    since=LONG_AFTER,
    agent="unheard-of",
    most=0,
)
def a_past_call(rows: Rows, _: str) -> dict[str, Any]:
    call = rows.call("succeeded")
    return {
        "tenant": TENANT,
        "after": UUID(int=call.id.int - 1),
        "until": call.id,
        "since": datetime(2020, 1, 1, tzinfo=UTC),
        "agent": "fleet-ops",
        "most": 10,
    }


@case("policy_text", digest="0" * 64)
def a_policy(rows: Rows, _: str) -> dict[str, Any]:
    return {"digest": rows.one("select digest from policies limit 1")}


@case("unfinished_calls", finds=["executing"], misses=CALL_STATES, tenant=ANOTHER, run_id=NOBODY)
def calls_in_any_state(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, rows.call(state))


@case(
    "start_call",
    finds=["approved"],
    tenant=ANOTHER,
    call_id=NOBODY,
    digest=bytes(32),
    state="allowed",
)
def started(rows: Rows, state: str) -> dict[str, Any]:
    call = rows.call(state)
    rows.move("approvals", call.approval_id, "consumed")
    return of(rows, call, state=state, token=uuid7())


@case(
    "doubt_call",
    finds=["executing"],
    misses=CALL_STATES,
    tenant=ANOTHER,
    call_id=NOBODY,
    token=NOBODY,
)
@case(
    "finish_call",
    "verify_call",
    finds=["executing", "in_doubt"],
    misses=CALL_STATES,
    tenant=ANOTHER,
    call_id=NOBODY,
    token=NOBODY,
)
def reported(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, rows.call(state), **DONE)


@case(
    "attest_call",
    finds=["in_doubt"],
    misses=[state for state in CALL_STATES if state != "waiting"],  # it has its question already
    tenant=ANOTHER,
    call_id=NOBODY,
)
def attested(rows: Rows, state: str) -> dict[str, Any]:
    call = rows.call(state)
    rows.decide(rows.ask(call, id=uuid7(), kind="in_doubt"), "erik", "answer")
    return of(rows, call, **DONE, by="erik")


@case("settle_waiting_call", finds=["waiting"], misses=CALL_STATES, tenant=ANOTHER, call_id=NOBODY)
def settled(rows: Rows, state: str) -> dict[str, Any]:
    call = rows.call(state)
    if state == "waiting":
        rows.close(call.approval_id, "cancelled")
    return of(rows, call, state="cancelled")


@case("supersede_call", finds=["approved"], misses=CALL_STATES, tenant=ANOTHER, call_id=NOBODY)
def superseded(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, lapsed_if_approved(rows, state))


@case(
    "close_run_calls",
    finds=["allowed", "waiting", "approved"],
    misses=CALL_STATES,
    tenant=ANOTHER,
    run_id=NOBODY,
)
def left_open(rows: Rows, state: str) -> dict[str, Any]:
    call = lapsed_if_approved(rows, state)
    if state == "waiting":
        rows.close(call.approval_id, "cancelled")
    return of(rows, call)


def lapsed_if_approved(rows: Rows, state: str) -> Call:
    """A call that may leave its approval."""
    call = rows.call(state)
    if state == "approved":
        rows.move("approvals", call.approval_id, "lapsed")
    return call


@case(
    "begin_undoing",
    finds=["succeeded", "undo_failed"],
    misses=CALL_STATES,
    tenant=ANOTHER,
    call_id=NOBODY,
)
def undone_for_sure(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, rows.call(state), unsure=False)


@case("begin_undoing", finds=["in_doubt"])
def undone_in_doubt(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, rows.call(state), unsure=True)


@case("finish_undoing", finds=["undoing"], misses=CALL_STATES, tenant=ANOTHER, call_id=NOBODY)
def undone(rows: Rows, state: str) -> dict[str, Any]:
    return of(rows, rows.call(state), state="undone")


# Approvals ----------------------------------------


@case(
    "approval_closing",
    "approval_run",
    "approved_terms",
    "lock_approval",
    finds=["of a call", "of a doubt"],
    tenant=ANOTHER,
    approval_id=NOBODY,
)
def an_approval(rows: Rows, state: str) -> dict[str, Any]:
    if state == "of a call":
        return {"tenant": TENANT, "approval_id": rows.approval("approved")}
    asked = rows.ask(rows.call("in_doubt"), id=uuid7(), kind="in_doubt")
    rows.decide(asked, "dana", "answer")
    rows.close(asked, "approved")
    return {"tenant": TENANT, "approval_id": asked}


@case(
    "close_approval",
    finds=["pending"],
    misses=APPROVAL_STATES,
    tenant=ANOTHER,
    approval_id=NOBODY,
    digest=bytes(32),
)
def closed(rows: Rows, state: str) -> dict[str, Any]:
    return {**approval_in(rows, state), "state": "cancelled", "by": None, "reason": None}


@case(
    "consume_answer", finds=["approved"], misses=APPROVAL_STATES, tenant=ANOTHER, approval_id=NOBODY
)
@case(
    "consume_approval",
    finds=["approved"],
    misses=[*APPROVAL_STATES, "approved too long ago", "approved by somebody who left"],
    tenant=ANOTHER,
    approval_id=NOBODY,
    digest=bytes(32),
)
@case(
    "lapse_approval",
    finds=["approved"],
    misses=APPROVAL_STATES,
    tenant=ANOTHER,
    approval_id=NOBODY,
    digest=bytes(32),
)
def used(rows: Rows, state: str) -> dict[str, Any]:
    if not state.startswith("approved "):
        return approval_in(rows, state)
    call = rows.held(asked={"use_within": "1 microsecond"} if state.endswith("ago") else {})
    rows.step(call, "approved")
    if state.endswith("left"):
        rows.do("update reviewers set disabled_at = now() where name = 'dana'")
    return of(rows, call)


def approval_in(rows: Rows, state: str) -> dict[str, Any]:
    """An approval in a state, with the digest that it is of."""
    approval_id = rows.approval(state)
    digest = rows.one("select digest from approvals where id = %(id)s", id=approval_id)
    return {"tenant": TENANT, "approval_id": approval_id, "digest": digest, "reason": "why"}


@case(
    "close_run_approvals",
    finds=["pending", "approved"],
    misses=[*APPROVAL_STATES, "of a doubt"],
    tenant=ANOTHER,
    run_id=NOBODY,
)
def left_unanswered(rows: Rows, state: str) -> dict[str, Any]:
    if state == "of a doubt":
        call = rows.call("in_doubt")
        rows.ask(call, id=uuid7(), kind="in_doubt")
        return of(rows, call, reason="why")
    approval_id = rows.approval(state)
    run_id = rows.one("select run_id from approvals where id = %(id)s", id=approval_id)
    return {"tenant": TENANT, "run_id": run_id, "reason": "why"}


@case(
    "rejections_in_a_row",
    finds=["rejected", "after an approval"],
    misses=["waiting", "approved", "a question", "before an approval"],
    tenant=ANOTHER,
    run_id=NOBODY,
)
def a_rejection(rows: Rows, state: str) -> dict[str, Any]:
    if state in ("rejected", "waiting", "approved"):
        return of(rows, rows.call(state))
    run_id = rows.run("running")
    kind = "question" if state == "a question" else "call"
    rejected, other = (rows.held(run_id, asked={"kind": kind}) for _ in range(2))
    rows.step(rejected, "rejected")
    if kind == "call":
        when = "-1 s" if state == "after an approval" else "1 s"
        at = rows.one("select now() + %(when)s::interval", when=when)
        rows.decide(other.approval_id)
        rows.move("approvals", other.approval_id, "approved", closed_at=at, closed_by="dana")
        rows.move("calls", other.id, "approved")
    return of(rows, rejected)


@case(
    "alike_approvals",
    finds=["pending", "closed"],
    misses=["of another run", "that is not the one"],
    tenant=ANOTHER,
    approval_id=NOBODY,
    others=[NOBODY],
)
@case(
    ALIKE,
    finds=["pending"],
    misses=["closed", "of another run", "over", "that is not the one"],
    approval_id=NOBODY,
)
def alike(rows: Rows, state: str) -> dict[str, Any]:
    """One approval, and another in that state."""
    over = rows.one("select clock_timestamp() - interval '1 s'") if state == "over" else None
    first = rows.held(asked={"together": True})
    run_id = None if state == "of another run" else first.run_id
    asked = {"together": state != "that is not the one", "expires_at": over}
    second = rows.held(run_id, asked=asked)
    assert second.approval_id is not None
    if state == "closed":
        rows.step(second, "approved")
    return {"tenant": TENANT, "approval_id": first.approval_id, "others": [second.approval_id]}


@case(
    "select alike_to(a) ->> 0 is not null from approvals a where a.id = %(approval_id)s",
    misses=["closed"],
)
def closed_and_alike(rows: Rows, state: str) -> dict[str, Any]:
    """A closed approval, whose like is open."""
    first = rows.held(asked={"together": True})
    rows.held(first.run_id, asked={"together": True})
    if state == "closed":
        rows.step(first, "approved")
    return {"approval_id": first.approval_id}


@case("due_approvals", finds=["over"], misses=["still open", "without end", "expired"])
def due(rows: Rows, state: str) -> dict[str, Any]:
    times = {"over": "'-1 s'", "still open": "'1 h'"}
    if state == "expired":
        rows.call("expired")
        return {}
    at = f"clock_timestamp() + interval {times[state]}" if state in times else "null"
    rows.held(asked={"expires_at": rows.one(f"select {at}")})
    return {}


@case(
    "withdraw_doubt",
    "withdraw_question",
    finds=["of a doubt"],
    misses=["of a call", "that was answered"],
    tenant=ANOTHER,
    call_id=NOBODY,
)
def withdrawn(rows: Rows, state: str) -> dict[str, Any]:
    if state == "of a call":
        return of(rows, rows.call("waiting"), reason="why")
    call = rows.call("in_doubt")
    asked = rows.ask(call, id=uuid7(), kind="in_doubt")
    if state == "that was answered":
        rows.decide(asked, "erik", "answer")
        rows.close(asked, "approved")
    return of(rows, call, reason="why")


@case(
    "pending_version",
    finds=["version"],
    misses=["rollback", "closed"],
    tenant=ANOTHER,
    run_id=NOBODY,
    to="f9",
)
def version(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("waiting")
    kind = "rollback" if state == "rollback" else "version"
    asked = rows.plan(run_id, kind=kind, preview='{"from": "f1", "to": "f2"}')
    if state == "closed":
        rows.close(asked, "cancelled")
    return {"tenant": TENANT, "run_id": run_id, "to": "f2"}


# Decisions ----------------------------------------


@case("decision_of", tenant=ANOTHER, approval_id=NOBODY, reviewer="erik")
def a_decision(rows: Rows, _: str) -> dict[str, Any]:
    return {"tenant": TENANT, "approval_id": rows.approval("approved"), "reviewer": "dana"}
