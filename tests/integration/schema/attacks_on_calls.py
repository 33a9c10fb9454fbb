"""What a call cannot be, and what cannot cover it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Guard, Trigger, attack, attacks
from guards_of_calls import (
    ANSWERED,
    APPROVED,
    ASKED_ONCE,
    BORN,
    BORN_IN_HAND,
    BORN_UNATTESTED,
    BORN_UNVERIFIED,
    BORN_WHOLE,
    DANGER_ZONE,
    DIGEST,
    FOLLOWS,
    HAS_LIFE,
    KEEPS_APPROVAL,
    KEEPS_GRANT,
    LEAVES,
    LIFE,
    MEASURED,
    NEEDS_DECISION,
    OF_A_RUN,
    ONE_PER_APPROVAL,
    SHOWN,
    VERDICT_FITS,
    WAITS,
    WAITS_AGAIN,
    WHAT_IT_IS,
)
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Rows

# Nothing irreversible without a person ----------------------------------------


@attack(DANGER_ZONE)
def an_irreversible_call_cannot_be_inserted_as_allowed(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(effect="irreversible", verdict="allow")


@attack(DANGER_ZONE)
def the_verdict_of_an_irreversible_call_cannot_become_allow(rows: Rows) -> Iterator[None]:
    call = rows.call("waiting")
    rows.without(WHAT_IT_IS)
    yield
    rows.change("calls", call.id, verdict="allow")


@attack(DANGER_ZONE)
def the_effect_of_an_allowed_call_cannot_become_irreversible(rows: Rows) -> Iterator[None]:
    call = rows.call("allowed")
    rows.without(WHAT_IT_IS)
    yield
    rows.change("calls", call.id, effect="irreversible")


@attack(VERDICT_FITS)
def a_call_under_review_cannot_begin_as_allowed(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(effect="irreversible", verdict="review", state="allowed")


@attack(VERDICT_FITS)
def a_forbidden_call_cannot_begin_as_allowed(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(effect="read", verdict="forbid", state="allowed")


@attack(VERDICT_FITS)
def a_forbidden_call_cannot_wait_for_a_person(rows: Rows) -> Iterator[None]:
    yield
    rows.held(verdict="forbid")


@attack(VERDICT_FITS)
def an_allowed_call_cannot_be_stored_as_forbidden(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(state="forbidden", effect="read", verdict="allow")


@attack(NEEDS_DECISION, WAITS)
def a_call_under_review_cannot_wait_without_an_approval(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(state="waiting", approval_id=None)


@attack(NEEDS_DECISION)
def a_call_under_review_cannot_start_without_an_approval(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    rows.without(KEEPS_APPROVAL)
    rows.without(FOLLOWS)
    yield
    rows.move("calls", call.id, "executing", starts=1, approval_id=None)


# What was approved is what runs ----------------------------------------


@attack(APPROVED)
def the_approval_of_one_call_cannot_cover_another(rows: Rows) -> Iterator[None]:
    first = rows.call("waiting", args=b'{"volume_id":"vol-A"}')
    rows.without(ONE_PER_APPROVAL)
    yield
    rows.propose(state="waiting", args=b'{"volume_id":"vol-B"}', approval_id=first.approval_id)


@attack(APPROVED)
def an_approval_cannot_cover_a_call_with_another_digest(rows: Rows) -> Iterator[None]:
    rows.without(SHOWN)
    yield
    rows.held(asked={"digest": bytes(32)})


@attack(APPROVED)
def an_approval_that_names_another_call_cannot_cover_this_one(rows: Rows) -> Iterator[None]:
    other = rows.call("succeeded")
    rows.without(SHOWN)
    yield
    rows.held(asked={"call_id": other.id})


@attack(APPROVED, WAITS)
def a_call_cannot_wait_for_an_approval_that_is_not_there(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(state="waiting", approval_id=uuid7())


@attack(KEEPS_APPROVAL, APPROVED)
def an_approved_call_cannot_take_the_approval_of_another(rows: Rows) -> Iterator[None]:
    mine, other = rows.call("approved"), rows.call("approved")
    rows.without(ONE_PER_APPROVAL)
    yield
    rows.change("calls", mine.id, approval_id=other.approval_id)


@attack(ONE_PER_APPROVAL, APPROVED)
def two_calls_cannot_share_an_approval(rows: Rows) -> Iterator[None]:
    first = rows.call("waiting")
    yield
    rows.propose(first.run_id, "waiting", approval_id=first.approval_id)


@attack(DIGEST)
def the_stored_digest_cannot_be_that_of_other_arguments(rows: Rows) -> Iterator[None]:
    known = rows.propose(args=b'{"volume_id":"vol-A"}')
    yield
    rows.propose(args=b'{"volume_id":"vol-B"}', digest=known.digest)


@attacks(dict.fromkeys(("args", "tool", "tool_version", "key", "run_id", "digest"), (DIGEST,)))
def nothing_that_was_digested_can_be_swapped_afterwards(rows: Rows, column: str) -> Iterator[None]:
    call = rows.call("allowed")
    other = _other(rows, column)
    rows.without(WHAT_IT_IS)
    yield
    rows.change("calls", call.id, **{column: other})


_IMMUTABLE: dict[str, tuple[Guard, ...]] = {
    "tenant_id": (OF_A_RUN,),
    "id": (),
    "run_id": (DIGEST,),
    "key": (DIGEST,),
    "revision": (),
    "ns": (),
    "task_id": (),
    "tool_call_id": (),
    "tool": (DIGEST,),
    "tool_version": (DIGEST,),
    "args": (DIGEST,),
    "digest": (DIGEST,),
    "effect": (),
    "source": (),
    "rule": (),
    "evidence": (),
    "verdict": (VERDICT_FITS,),
    "policy_digest": (),
    "policies": (),
    "reason": (),
    "recovery": (),
    "proposed_at": (),
    "fingerprint": (),
    "send_within": (),
    "key_life": (HAS_LIFE,),
    "grant_id": (ASKED_ONCE,),
    "context": (),
}
_HELD_BY: dict[str, Guard] = {
    **dict.fromkeys(("fingerprint", "send_within", "key_life"), MEASURED),
    "grant_id": KEEPS_GRANT,
    "context": Trigger("calls", "context_is_fixed", "UPDATE refused on calls: .*"),
}
"""Columns that a guard of their own holds."""


@attacks({column: (_HELD_BY.get(column, WHAT_IT_IS), *more) for column, more in _IMMUTABLE.items()})
def what_a_call_is_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    call = rows.call("allowed")
    other = _other(rows, column)
    yield
    rows.change("calls", call.id, **{column: other})


def _other(rows: Rows, column: str) -> Any:
    if column == "run_id":
        return rows.run("running")
    if column == "grant_id":
        return rows.grant()
    if column == "policy_digest":
        rows.insert("policies", digest="b" * 64, text="forbid (principal, action, resource);")
    return {
        "tenant_id": "another",
        "id": uuid7(),
        "key": bytes(32),
        "revision": 2,
        "tool": "list_volumes",
        "tool_version": "f" * 16,
        "args": b'{"volume_id":"vol-2"}',
        "digest": bytes(32),
        "effect": "reversible",
        "source": "inferred",
        "evidence": '["none"]',
        "verdict": "review",
        "policy_digest": "b" * 64,
        "policies": ["another"],
        "recovery": "verify",
        "proposed_at": "yesterday",
        "fingerprint": b"{}",
        "send_within": "1 s",
        "key_life": "1 s",
        "context": "{}",
    }.get(column, "another")


# Decisions are honoured ----------------------------------------


@attacks(
    dict.fromkeys(("approved", "rejected", "expired", "cancelled", "superseded"), (FOLLOWS, WAITS))
)
def a_waiting_call_cannot_go_on_while_its_approval_is_pending(
    rows: Rows, state: str
) -> Iterator[None]:
    call = rows.call("waiting")
    yield
    rows.move("calls", call.id, state)


_MISTAKEN = (
    ("rejected", "approved"),
    ("expired", "approved"),
    ("expired", "rejected"),
    ("rejected", "expired"),
    ("cancelled", "rejected"),
    ("superseded", "approved"),
)


@attacks(dict.fromkeys(_MISTAKEN, (FOLLOWS,)))
def an_answer_cannot_be_taken_for_another(rows: Rows, given: str, taken: str) -> Iterator[None]:
    passed = rows.one("select clock_timestamp() - interval '1 s'") if given == "expired" else None
    call = rows.held(asked={"expires_at": passed})
    if given == "rejected":
        rows.decide(call.approval_id, kind="reject")
    yield
    rows.close(call.approval_id, given)
    rows.move("calls", call.id, taken)


@attack(FOLLOWS)
def a_call_cannot_start_before_its_approval_is_used_up(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.start(call)


@attack(FOLLOWS)
def a_call_cannot_start_on_a_lapsed_approval(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.move("approvals", call.approval_id, "lapsed")
    rows.start(call)


@attacks(dict.fromkeys(("superseded", "cancelled"), (LEAVES,)))
def a_call_cannot_be_given_up_while_its_approval_stands(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.move("calls", call.id, state)


@attack(LEAVES)
def a_call_cannot_be_replaced_whose_approval_was_used(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.move("approvals", call.approval_id, "consumed")
    rows.move("calls", call.id, "superseded")


@attack(FOLLOWS)
def the_answer_to_another_question_cannot_approve_a_call(rows: Rows) -> Iterator[None]:
    call = rows.held(asked={"kind": "in_doubt"})
    rows.decide(call.approval_id, kind="answer")
    yield
    rows.close(call.approval_id, "approved")
    rows.move("calls", call.id, "approved")


@attack(WAITS, ANSWERED)
def a_call_cannot_be_born_waiting_for_an_approval_that_is_closed(rows: Rows) -> Iterator[None]:
    yield
    call = rows.held()
    rows.close(call.approval_id, "cancelled")


@attack(ANSWERED)
def an_approval_cannot_close_while_its_call_goes_on_waiting(rows: Rows) -> Iterator[None]:
    call = rows.call("waiting")
    yield
    rows.close(call.approval_id, "cancelled")


@attack(WAITS_AGAIN)
def a_call_cannot_wait_again_for_the_approval_that_it_had(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.move("calls", call.id, "waiting")


@attack(LIFE)
def a_rejected_call_cannot_be_approved_after_all(rows: Rows) -> Iterator[None]:
    call = rows.call("rejected")
    yield
    rows.move("calls", call.id, "approved")


@attack(LIFE)
def an_expired_call_cannot_start(rows: Rows) -> Iterator[None]:
    call = rows.call("expired")
    yield
    rows.start(call)


@attacks(dict.fromkeys(("approved", "rejected", "cancelled", "superseded"), (BORN,)))
def a_call_cannot_be_born_decided(rows: Rows, state: str) -> Iterator[None]:
    yield
    call = rows.propose(state=state, effect="irreversible", verdict="review", approval_id=uuid7())
    rows.ask(call)


@attacks(dict.fromkeys(("executing", "in_doubt"), (BORN,)))
def a_call_that_a_person_decides_over_cannot_be_born_started(
    rows: Rows, state: str
) -> Iterator[None]:
    yield
    call = rows.propose(
        state=state, starts=1, effect="irreversible", verdict="review", approval_id=uuid7()
    )
    rows.ask(call)


@attack(BORN)
def a_call_in_doubt_cannot_be_born_so(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(state="in_doubt", starts=1)


@attacks(dict.fromkeys(("succeeded", "failed"), (BORN,)))
def what_may_have_to_be_undone_cannot_be_born_over(rows: Rows, state: str) -> Iterator[None]:
    yield
    result = {"result_type": "json", "result": b"1"} if state == "succeeded" else {}
    rows.propose(state=state, starts=1, effect="reversible", **result)


@attacks(dict.fromkeys(("queued", "waiting"), (BORN_IN_HAND,)))
def a_call_cannot_be_born_started_in_a_run_that_is(rows: Rows, status: str) -> Iterator[None]:
    run_id = rows.run(status)
    yield
    rows.propose(run_id, "executing", starts=1)


_SAID = {
    "executing-without-a-token": {"start_token": None},
    "executing-at-no-time": {"started_at": None},
    "executing-and-over": {"finished_at": "now"},
    "executing-and-failed": {"error": "it broke"},
    "failed-and-not-over": {"finished_at": None},
}


@attacks(dict.fromkeys(_SAID, (BORN_WHOLE,)))
def a_started_call_cannot_be_born(rows: Rows, how: str) -> Iterator[None]:
    yield
    rows.propose(state=how.partition("-")[0], starts=1, **_SAID[how])


@attacks(dict.fromkeys(("allowed", "executing", "failed"), (BORN_UNATTESTED,)))
def nobody_can_attest_a_call_that_is_born(rows: Rows, state: str) -> Iterator[None]:
    yield
    rows.propose(state=state, starts=int(state != "allowed"), attested_by="dana")


@attack(BORN_UNVERIFIED)
def nothing_can_have_verified_a_call_that_is_born(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(verified=True)


@attack(BORN)
def a_read_cannot_be_born_after_two_starts(rows: Rows) -> Iterator[None]:
    yield
    rows.propose(state="executing", starts=2, recovery="again")
