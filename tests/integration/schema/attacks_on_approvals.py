"""What an approval or a decision cannot be, and what cannot happen to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack import Check, Constraint, Index, Trigger, attack, attacks
from attacks_on_decisions import BINDS_DIGEST, ONCE, passed
from guards_of_calls import ANSWERED, APPROVED, SHOWN, STANDS
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Rows

BEGINS = Check("approvals_guard", "an approval begins as pending")
WHAT_IS_ASKED = Check("approvals_guard", "what is asked cannot change")
WHO_CLOSED = Check("approvals_guard", "who closed an approval cannot change")
LIFE = Check("approvals_guard", "an approval cannot go from % to %")
EXPIRED = Check("approvals_guard", "this approval expired")
NOT_EXPIRED = Check("approvals_guard", "this approval has not expired")
AGAINST = Check("approvals_guard", "somebody rejected or edited this")
QUORUM = Check("approvals_terms_guard", "% of % approvals that count are missing")
TERMS = Check("approvals_terms_guard", "the terms of an approval cannot change")
NOBODY_REJECTED = Check("approvals_guard", "nobody rejected this approval")
FOR_HOW_LONG = Check("approvals_times_guard", "for how long and why anew is asked cannot change")
TOO_OLD = Check("approvals_times_guard", "this approval is older than its window")
DOUBT_NEVER_EXPIRES = Constraint("approvals", "doubt_never_expires")
NAMES_A_CALL = Constraint("approvals", "approval_names_a_call")
OF_A_RUN = Constraint("approvals", "approvals_tenant_id_run_id_fkey")


def ask_about_doubt(rows: Rows, **columns: object) -> UUID:
    """An approval that no call's row refers to."""
    return rows.ask(rows.call("in_doubt"), **{"id": uuid7(), "kind": "in_doubt", **columns})


def let_expire(rows: Rows, **columns: object) -> UUID:
    """An approval that dana approved in time, and whose time is over now."""
    soon = rows.one("select clock_timestamp() + interval '0.2 seconds'")
    approval_id = rows.approval(expires_at=soon, **columns)
    rows.decide(approval_id)
    rows.do("select pg_sleep(0.25)")
    return approval_id


def follow(rows: Rows, approval_id: UUID, state: str) -> None:
    """Close the approval and take its call along, so that nothing waits in vain."""
    rows.close(approval_id, state)
    call_id = rows.one("select call_id from approvals where id = %(id)s", id=approval_id)
    rows.move("calls", call_id, state)


# What is asked ----------------------------------------


@attack(SHOWN)
def a_reviewer_cannot_be_shown_another_digest_than_the_call_has(rows: Rows) -> Iterator[None]:
    yield
    ask_about_doubt(rows, digest=bytes(32))


@attack(SHOWN)
def an_approval_cannot_name_a_call_of_another_run(rows: Rows) -> Iterator[None]:
    other = rows.run("waiting")
    yield
    ask_about_doubt(rows, run_id=other)


@attack(SHOWN)
def an_approval_cannot_ask_about_a_call_that_does_not_wait_for_it(rows: Rows) -> Iterator[None]:
    call = rows.call("allowed")
    yield
    rows.ask(call)


@attack(NAMES_A_CALL, SHOWN)
def an_approval_cannot_name_a_call_that_is_not_there(rows: Rows) -> Iterator[None]:
    yield
    ask_about_doubt(rows, call_id=uuid7())


@attacks(
    {
        ("call", False): (Constraint("approvals", "call_kinds_name_a_call"),),
        ("in_doubt", False): (Constraint("approvals", "call_kinds_name_a_call"),),
        ("question", False): (Constraint("approvals", "call_kinds_name_a_call"),),
        ("conflict", False): (Constraint("approvals", "call_kinds_name_a_call"),),
        ("limit", True): (Constraint("approvals", "call_kinds_name_a_call"),),
        ("version", True): (Constraint("approvals", "call_kinds_name_a_call"),),
    }
)
def a_kind_and_its_call_cannot_disagree(rows: Rows, kind: str, named: bool) -> Iterator[None]:  # noqa: FBT001
    call = rows.call("in_doubt")
    rows.without(SHOWN)
    yield
    rows.ask(call, id=uuid7(), kind=kind, call_id=call.id if named else None)


@attack(OF_A_RUN)
def an_approval_cannot_belong_to_no_run(rows: Rows) -> Iterator[None]:
    call = rows.call("in_doubt")
    yield
    rows.ask(call, id=uuid7(), kind="version", call_id=None, run_id=uuid7())


@attack(BEGINS)
def an_approval_cannot_begin_as_approved(rows: Rows) -> Iterator[None]:
    yield
    approval_id = ask_about_doubt(rows, state="approved", closed_at="now")
    rows.audit("approval.approved", subject=approval_id, state="approved")


@attacks(
    {
        "tenant_id": (WHAT_IS_ASKED, OF_A_RUN, NAMES_A_CALL),
        "id": (WHAT_IS_ASKED,),
        "kind": (WHAT_IS_ASKED,),
        "run_id": (WHAT_IS_ASKED,),
        "call_id": (WHAT_IS_ASKED,),
        "digest": (WHAT_IS_ASKED,),
        "headline": (WHAT_IS_ASKED,),
        "reason": (WHAT_IS_ASKED,),
        "preview": (WHAT_IS_ASKED,),
        "reviewers": (WHAT_IS_ASKED,),
        "quorum": (WHAT_IS_ASKED,),
        "created_at": (WHAT_IS_ASKED,),
        "expires_at": (WHAT_IS_ASKED, DOUBT_NEVER_EXPIRES),
        "use_within": (FOR_HOW_LONG,),
        "changes": (FOR_HOW_LONG,),
        "each": (TERMS,),
        "escalation": (TERMS,),
        "separation": (TERMS,),
        "needs_reason": (TERMS,),
        "confirm": (TERMS,),
        "together": (Trigger("approvals", "together_is_fixed", "UPDATE refused on approvals: .*"),),
    }
)
def what_is_asked_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    approval_id = ask_about_doubt(rows, quorum=2)
    other = {
        "id": uuid7(),
        "kind": "call",
        "run_id": rows.run("waiting"),
        "call_id": rows.call("allowed").id,
        "digest": bytes(32),
        "preview": '{"Backups": 0}',
        "reviewers": ["finance"],
        "quorum": 1,
        "created_at": "yesterday",
        "expires_at": "tomorrow",
        "use_within": "48 hours",
        "changes": "[]",
        "each": '{"finance": 1}',
        "escalation": '{"finance": 60}',
        "separation": ["requester"],
        "needs_reason": True,
        "together": True,
    }.get(column, "another")
    yield
    rows.change("approvals", approval_id, **{column: other})


@attacks(dict.fromkeys(("id", "call_id", "digest"), (APPROVED,)))
def an_approval_cannot_leave_the_call_that_it_covers(rows: Rows, column: str) -> Iterator[None]:
    approval_id = rows.call("approved").approval_id
    assert approval_id is not None
    other = {"id": uuid7(), "call_id": rows.call("allowed").id, "digest": bytes(32)}[column]
    rows.without(WHAT_IS_ASKED)
    rows.without(BINDS_DIGEST)
    yield
    rows.change("approvals", approval_id, **{column: other})


@attack(Index("approvals_one_pending_per_call"))
def one_call_cannot_have_two_open_questions(rows: Rows) -> Iterator[None]:
    call = rows.call("in_doubt")
    rows.ask(call, id=uuid7(), kind="in_doubt")
    yield
    rows.ask(call, id=uuid7(), kind="in_doubt")


@attack(Constraint("approvals", "pending_is_open"))
def a_pending_approval_cannot_be_closed(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    rows.change("approvals", approval_id, closed_at="now")


@attack(Constraint("approvals", "pending_is_open"))
def a_closed_approval_cannot_be_without_a_time(rows: Rows) -> Iterator[None]:
    approval_id = ask_about_doubt(rows)
    yield
    rows.move("approvals", approval_id, "cancelled")


_OUTSIDE: dict[str, tuple[object, str]] = {
    "kind": ("guess", "approvals_kind_check"),
    "digest": (b"short", "approvals_digest_check"),
    "quorum": (0, "approvals_quorum_check"),
    "reviewers": ([], "approvals_reviewers_check"),
}


@attacks({column: (Constraint("approvals", name),) for column, (_, name) in _OUTSIDE.items()})
def an_approval_cannot_have_an_odd(rows: Rows, column: str) -> Iterator[None]:
    call = rows.call("in_doubt")
    rows.without(Constraint("approvals", "call_kinds_name_a_call"))
    rows.without(SHOWN)
    yield
    rows.ask(call, **{"id": uuid7(), "kind": "in_doubt", column: _OUTSIDE[column][0]})


@attack(Constraint("approvals", "approvals_state_check"))
def an_approval_cannot_be_in_an_unknown_state(rows: Rows) -> Iterator[None]:
    approval_id = ask_about_doubt(rows)
    rows.without(LIFE)
    yield
    rows.close(approval_id, "unheard_of")


@attack(DOUBT_NEVER_EXPIRES)
def a_doubt_cannot_have_a_deadline(rows: Rows) -> Iterator[None]:
    call = rows.call("in_doubt")
    yield
    rows.ask(call, id=uuid7(), kind="in_doubt", expires_at="tomorrow")


@attack(Constraint("approvals", "window_is_some_time"))
def an_approval_cannot_be_good_for_no_time(rows: Rows) -> Iterator[None]:
    yield
    rows.held(asked={"use_within": "0 s"})


# How it closes ----------------------------------------


@attack(TOO_OLD)
def an_approval_cannot_be_used_after_its_window(rows: Rows) -> Iterator[None]:
    call = rows.held(asked={"use_within": "0.2 s"})
    rows.step(call, "approved")
    rows.do("select pg_sleep(0.25)")
    yield
    rows.step(call, "executing")


@attacks(dict.fromkeys(("lapsed", "consumed"), (STANDS,)))
def an_approval_cannot_leave_its_call_approved(rows: Rows, state: str) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.move("approvals", call.approval_id, state)


@attack(LIFE)
def a_rejected_approval_cannot_be_approved_after_all(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval("rejected")
    yield
    rows.move("approvals", approval_id, "approved")


@attack(LIFE)
def an_approval_cannot_be_used_twice(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval("consumed")
    yield
    rows.move("approvals", approval_id, "approved")


@attack(LIFE, ANSWERED)
def a_pending_approval_cannot_be_used(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    rows.close(approval_id, "consumed")


@attack(QUORUM)
def nobodys_word_cannot_approve(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def one_of_two_cannot_approve(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    rows.decide(approval_id, "dana")
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def one_person_cannot_be_counted_twice(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    rows.without(ONCE)
    rows.decide(approval_id, "dana")
    rows.decide(approval_id, "dana")
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def what_was_said_of_another_digest_cannot_be_counted(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    rows.without(BINDS_DIGEST)
    rows.decide(approval_id, digest=bytes(32))
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def an_answer_cannot_approve_a_call(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    rows.decide(approval_id, kind="answer")
    yield
    follow(rows, approval_id, "approved")


@attacks(dict.fromkeys(("reject", "edit"), (AGAINST,)))
def what_one_reviewer_turned_down_another_cannot_approve(rows: Rows, kind: str) -> Iterator[None]:
    approval_id = rows.approval()
    rows.decide(approval_id, "dana", kind)
    rows.decide(approval_id, "erik")
    yield
    follow(rows, approval_id, "approved")


@attack(EXPIRED)
def an_expired_approval_cannot_be_approved(rows: Rows) -> Iterator[None]:
    approval_id = let_expire(rows)
    yield
    follow(rows, approval_id, "approved")


@attack(NOT_EXPIRED)
def an_approval_cannot_expire_before_its_time(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(expires_at="tomorrow")
    yield
    follow(rows, approval_id, "expired")


@attack(NOT_EXPIRED)
def an_approval_without_a_deadline_cannot_expire(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    follow(rows, approval_id, "expired")


@attack(NOBODY_REJECTED)
def an_approval_cannot_be_rejected_by_nobody(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    follow(rows, approval_id, "rejected")


@attack(NOBODY_REJECTED)
def an_approval_cannot_be_rejected_by_those_who_approved_it(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    rows.decide(approval_id)
    yield
    follow(rows, approval_id, "rejected")


@attack(NOBODY_REJECTED)
def a_timeout_cannot_be_recorded_as_a_rejection(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(expires_at=passed(rows))
    yield
    follow(rows, approval_id, "rejected")


_CLOSED: dict[tuple[str, str], object] = {
    ("approved", "closed_at"): "yesterday",
    ("approved", "closed_by"): "erik",
    ("approved", "close_reason"): "another",
    ("rejected", "closed_by"): "erik",
    ("rejected", "close_reason"): "another",
    ("consumed", "closed_by"): "erik",
    ("expired", "closed_by"): "erik",
}


@attacks(dict.fromkeys(_CLOSED, (WHO_CLOSED,)))
def who_closed_an_approval_cannot_be_rewritten(
    rows: Rows, state: str, column: str
) -> Iterator[None]:
    approval_id = rows.approval(state)
    yield
    rows.change("approvals", approval_id, **{column: _CLOSED[state, column]})


@attack(WHO_CLOSED)
def who_approved_cannot_be_rewritten_when_it_is_used(rows: Rows) -> Iterator[None]:
    call = rows.call("approved")
    yield
    rows.move("approvals", call.approval_id, "consumed", closed_by="erik")
    rows.start(call)
