"""What a question, or a conflict of opinions, cannot be answered with, and cannot set off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack import Check, attack, attacks
from guards_of_calls import ANSWERED, ATTESTED, FOLLOWS, SHOWN, STANDS
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rows import Call, Rows

ANSWERED_ONLY = Check("answers_guard", "a question is answered or declined, and nothing else")
NO_EFFECT = Check("questions_guard", "an answer lets nothing run that has an effect")
BY_A_PERSON = Check("questions_guard", "only a person answers a question")
KINDS = ("question", "conflict")


def asked(rows: Rows, kind: str = "question", **columns: object) -> Call:
    """A question that waits."""
    return rows.held(asked={"kind": kind}, **{"effect": "read", "recovery": "again", **columns})


def given(rows: Rows, call: Call) -> None:
    """Dana's answer, with the call about to have it as its result."""
    rows.decide(call.approval_id, "dana", "answer")
    rows.close(call.approval_id, "approved")
    rows.move("calls", call.id, "approved")
    rows.move("approvals", call.approval_id, "consumed")


def result(rows: Rows, call: Call, by: str | None) -> None:
    """The answer as the call's result."""
    answer = {"result_type": "json", "result": b'"B-1"', "attested_by": by}
    rows.move("calls", call.id, "succeeded", **answer)


@attacks({(kind, said): (ANSWERED_ONLY,) for kind in KINDS for said in ("approve", "edit")})
def a_question_cannot_be(rows: Rows, kind: str, said: str) -> Iterator[None]:
    call = asked(rows, kind)
    yield
    rows.decide(call.approval_id, "dana", said)


@attacks(dict.fromkeys(KINDS, (NO_EFFECT,)))
def an_answer_cannot_let_an_irreversible_call_run(rows: Rows, kind: str) -> Iterator[None]:
    call = asked(rows, kind, effect="irreversible", recovery="ask")
    rows.decide(call.approval_id, "dana", "answer")
    rows.close(call.approval_id, "approved")
    rows.move("calls", call.id, "approved")
    yield
    rows.move("approvals", call.approval_id, "consumed")
    rows.start(call)


@attacks(dict.fromkeys(KINDS, (BY_A_PERSON,)))
def a_worker_cannot_answer(rows: Rows, kind: str) -> Iterator[None]:
    call = asked(rows, kind)
    given(rows, call)
    rows.start(call)
    yield
    result(rows, call, None)


@attacks(dict.fromkeys(("failed", "in_doubt"), (BY_A_PERSON,)))
def an_answer_cannot_have(rows: Rows, state: str) -> Iterator[None]:
    call = asked(rows)
    given(rows, call)
    rows.start(call)
    yield
    rows.move("calls", call.id, state, error="it broke off")


@attack(ATTESTED)
def an_answer_cannot_be_in_the_name_of_another(rows: Rows) -> Iterator[None]:
    call = asked(rows)
    given(rows, call)
    rows.start(call)
    yield
    result(rows, call, "erik")


@attack(FOLLOWS)
def a_question_cannot_be_answered_before_its_approval_is(rows: Rows) -> Iterator[None]:
    call = asked(rows)
    yield
    rows.move("calls", call.id, "approved")
    rows.decide(call.approval_id, "dana", "answer")
    rows.close(call.approval_id, "approved")


@attacks(dict.fromkeys(KINDS, (ANSWERED,)))
def a_question_cannot_close_while_its_call_goes_on_waiting(rows: Rows, kind: str) -> Iterator[None]:
    call = asked(rows, kind)
    yield
    rows.close(call.approval_id, "cancelled")


@attacks(dict.fromkeys(KINDS, (STANDS,)))
def an_answer_cannot_leave_its_call_approved(rows: Rows, kind: str) -> Iterator[None]:
    call = asked(rows, kind)
    rows.decide(call.approval_id, "dana", "answer")
    rows.close(call.approval_id, "approved")
    rows.move("calls", call.id, "approved")
    yield
    rows.move("approvals", call.approval_id, "consumed")


@attacks(dict.fromkeys(KINDS, (SHOWN,)))
def a_question_cannot_be_about_a_call_that_does_not_ask_it(rows: Rows, kind: str) -> Iterator[None]:
    call = rows.call("allowed")
    yield
    rows.ask(call, id=uuid7(), kind=kind)
