"""The statements about grants, questions and replies, and about who an approval is asked of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attacks_on_grants import revoke
from attacks_on_questions import asked, given, result
from attacks_on_replies import KEPT, reply_of
from bystanders import registered
from rows import TENANT
from statement import ANOTHER, NOBODY, case, of

if TYPE_CHECKING:
    from uuid import UUID

    from rows import Call, Rows


# Questions ----------------------------------------


@case(
    "answer_call",
    finds=["executing"],
    misses=["approved", "succeeded"],
    tenant=ANOTHER,
    call_id=NOBODY,
    token=NOBODY,
)
def an_answer(rows: Rows, state: str) -> dict[str, Any]:
    call = asked(rows)
    given(rows, call)
    if state != "approved":
        rows.start(call)
    if state == "succeeded":
        result(rows, call, "dana")
    return of(rows, call, result_type="json", result=b'"B-1"', by="dana")


# Replies and results ----------------------------------------


@case("replies_made", "forget_replies", misses=["forgotten"], tenant=ANOTHER, run_id=NOBODY)
def a_reply(rows: Rows, state: str) -> dict[str, Any]:
    run_id = rows.run("running")
    reply_of(rows, run_id, **({} if state else KEPT))
    return {"tenant": TENANT, "run_id": run_id}


@case(
    "results_of",
    finds=["succeeded", "failed"],
    misses=["executing"],
    tenant=ANOTHER,
    run_id=NOBODY,
    tools=["other"],
)
def a_result(rows: Rows, state: str) -> dict[str, Any]:
    call = rows.call(state)
    tool = rows.one("select tool from calls where id = %(id)s", id=call.id)
    return {"tenant": TENANT, "run_id": call.run_id, "tools": [tool]}


# Grants ----------------------------------------


def covered(rows: Rows, grant_id: UUID) -> dict[str, Any]:
    """What names a grant, and a call that it covers."""
    shown = "select tool, tool_version, effect from grants where id = %(id)s"
    tool, version, effect = rows.do(shown, id=grant_id).fetchone() or ("", "", "")
    call = {"tool": tool, "tool_version": version, "effect": effect}
    return {"tenant": TENANT, "grant_id": grant_id, "run_id": rows.run("running"), **call}


@case("grant_is_revoked", finds=["revoked"], misses=["standing"], tenant=ANOTHER, grant_id=NOBODY)
@case("revoke_grant", finds=["standing"], misses=["revoked"], tenant=ANOTHER, grant_id=NOBODY)
@case("lock_grant", finds=["standing"], misses=["revoked"], tenant=ANOTHER, grant_id=NOBODY)
@case("standing_grants", finds=["standing"], misses=["revoked"], tenant=ANOTHER, tool="other")
def a_grant(rows: Rows, state: str) -> dict[str, Any]:
    grant_id = rows.grant()
    if state == "revoked":
        revoke(rows, grant_id)
    return {**covered(rows, grant_id), "by": "erik"}


@case("grant_basis", tenant=ANOTHER, approval_id=NOBODY)
def a_call_to_grant(rows: Rows, _: str) -> dict[str, Any]:
    registered(rows, "fleet-ops", "f1")
    return of(rows, rows.held())


@case("groups_of_call", finds=["held", "granted"], tenant=ANOTHER, call_id=NOBODY)
def a_call_with_groups(rows: Rows, state: str) -> dict[str, Any]:
    first, second = rows.grant(), rows.grant()
    call: Call = rows.held() if state == "held" else rows.granted(first)
    assert first != second
    return of(rows, call)


# Who an approval is asked of ----------------------------------------


@case("set_apart", tenant=ANOTHER, approval_id=NOBODY)
def an_approval_of_a_second_person(rows: Rows, _: str) -> dict[str, Any]:
    terms = {"separation": ["requester"]}
    rows.held(rows.run("running", requested_by="reviewer:erik"), asked=terms)
    call = rows.held(rows.run("running", requested_by="reviewer:dana"), asked=terms)
    return of(rows, call)


@case("still_missing", tenant=ANOTHER, approval_id=NOBODY)
def an_approval_that_nobody_gave(rows: Rows, _: str) -> dict[str, Any]:
    return of(rows, rows.held())


@case("voices", finds=["approve"], misses=["", "edit"], tenant=ANOTHER, approval_id=NOBODY)
def an_approval_with_a_voice(rows: Rows, said: str) -> dict[str, Any]:
    rows.call("approved")
    call = rows.held(asked={"quorum": 2})
    if said:
        rows.decide(call.approval_id, "dana", said)
    return of(rows, call)
