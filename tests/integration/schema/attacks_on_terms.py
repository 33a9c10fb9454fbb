"""What the terms of an approval do not let happen: who counts, who is asked when, and with what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attack import Check, Constraint, attack, attacks
from attacks_on_approvals import QUORUM, follow
from attacks_on_decisions import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Call, Rows

APART = Check("decisions_terms_guard", "whoever asked for this or edited it cannot approve it")
REASON = Check("decisions_terms_guard", "an approval of this needs a reason")
TYPED = Check("decisions_terms_guard", "an approval of this is confirmed by typing")
NOT_ANY_MORE = Check("approvals_terms_guard", "not all who approved this may decide it any more")
BOTH = ["finance", "on-call"]


def move_to(rows: Rows, reviewer: str, *groups: str) -> None:
    """Put a reviewer into these groups, and out of all others."""
    rows.do(
        "update reviewers set groups = %(groups)s where name = %(name)s",
        groups=list(groups),
        name=reviewer,
    )


def disable(rows: Rows, reviewer: str) -> None:
    """Close an account."""
    rows.do("update reviewers set disabled_at = now() where name = %(name)s", name=reviewer)


def edited(rows: Rows, **asked: object) -> Call:
    """A call that waits for its approval and that dana made out of another."""
    before = rows.held()
    assert before.approval_id is not None
    rows.decide(before.approval_id, "dana", "edit")
    rows.step(before, "superseded")
    return rows.held(before.run_id, key=before.key, revision=2, asked=asked)


def one_of_each(rows: Rows) -> UUID:
    """An approval that takes one from finance and one from those on call."""
    return rows.approval(each='{"finance": 1, "on-call": 1}', quorum=2, reviewers=BOTH)


# Whose approval counts ------------------------------------------------------------------------


@attacks(dict.fromkeys(("reviewer:dana", "operator:Dana", "dana"), (APART,)))
def who_asked_for_a_run_cannot_approve_its_calls_alone(rows: Rows, by: str) -> Iterator[None]:
    run_id = rows.run("running", requested_by=by)
    call = rows.held(run_id, asked={"separation": ["requester"]})
    assert call.approval_id is not None
    yield
    rows.decide(call.approval_id)


@attack(APART)
def who_asked_for_a_rollback_cannot_approve_its_plan(rows: Rows) -> Iterator[None]:
    run_id = rows.run("ended", requested_by="reviewer:erik")
    approval_id = rows.plan(run_id, separation=["requester"])
    rows.rollback(run_id, approval_id=approval_id, requested_by="reviewer:dana")
    yield
    rows.decide(approval_id)


_FOUR_EYES: dict[str, dict[str, object]] = {
    "quorum": {"quorum": 2},
    "editor": {"separation": ["editor"]},
    "requester": {"separation": ["requester"]},
}


@attacks(dict.fromkeys(_FOUR_EYES, (APART,)))
def who_edited_a_call_cannot_approve_it_where_two_must_see_it(
    rows: Rows, terms: str
) -> Iterator[None]:
    call = edited(rows, **_FOUR_EYES[terms])
    assert call.approval_id is not None
    yield
    rows.decide(call.approval_id)


@attack(QUORUM)
def the_approval_of_who_asked_for_it_cannot_be_counted(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(separation=["requester"])
    rows.without(APART)
    rows.decide(approval_id)
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def the_approval_of_an_editor_cannot_be_counted_towards_a_quorum_of_two(
    rows: Rows,
) -> Iterator[None]:
    approval_id = edited(rows, quorum=2).approval_id
    assert approval_id is not None
    rows.without(APART)
    rows.decide(approval_id, "dana")
    rows.decide(approval_id, "erik")
    yield
    follow(rows, approval_id, "approved")


_GONE = {"disabled": disable, "in_no_group": move_to}


@attacks(dict.fromkeys(_GONE, (QUORUM,)))
def the_approval_of_who_is_no_reviewer_any_more_cannot_be_counted(
    rows: Rows, how: str
) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    rows.decide(approval_id, "dana")
    _GONE[how](rows, "dana")
    rows.decide(approval_id, "erik")
    yield
    follow(rows, approval_id, "approved")


@attacks(dict.fromkeys(_GONE, (NOT_ANY_MORE,)))
def a_call_cannot_start_on_the_word_of_who_is_no_reviewer_any_more(
    rows: Rows, how: str
) -> Iterator[None]:
    call = rows.call("approved")
    _GONE[how](rows, "dana")
    yield
    rows.step(call, "executing")


# The places of a quorum -----------------------------------------------------------------------


@attack(QUORUM)
def two_of_one_group_cannot_stand_for_one_of_each(rows: Rows) -> Iterator[None]:
    approval_id = one_of_each(rows)
    rows.decide(approval_id, "dana")
    rows.decide(approval_id, "erik")
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def who_is_in_both_groups_cannot_fill_both_places(rows: Rows) -> Iterator[None]:
    move_to(rows, "dana", *BOTH)
    approval_id = one_of_each(rows)
    rows.decide(approval_id, "dana")
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def one_in_both_groups_cannot_fill_what_takes_two_of_one(rows: Rows) -> Iterator[None]:
    """Of fay, dana and erik one at most is of finance alone, which needs two."""
    move_to(rows, "dana", *BOTH)
    terms = {"each": '{"finance": 2, "on-call": 1}', "reviewers": BOTH}
    approval_id = rows.approval(quorum=2, **terms)
    rows.decide(approval_id, "fay")
    rows.decide(approval_id, "dana")
    yield
    follow(rows, approval_id, "approved")


@attack(QUORUM)
def the_places_of_each_group_do_not_make_up_for_the_quorum(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(each='{"on-call": 1}', quorum=2)
    rows.decide(approval_id, "dana")
    yield
    follow(rows, approval_id, "approved")


@attack(Constraint("approvals", "each_of_few_groups"))
def an_approval_cannot_take_more_groups_than_are_looked_at(rows: Rows) -> Iterator[None]:
    yield
    rows.held(asked={"each": json.dumps({f"g{number}": 1 for number in range(9)})})


@attack(Constraint("approvals", "separation_is_known"))
def nobody_unheard_of_can_be_set_apart(rows: Rows) -> Iterator[None]:
    yield
    rows.held(asked={"separation": ["requestor"]})


# Who is asked when ----------------------------------------------------------------------------


@attack(OPEN)
def who_is_asked_later_cannot_decide_before_that(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(escalation='{"finance": 3600}')
    yield
    rows.decide(approval_id, "fay")


@attack(QUORUM)
def the_approval_of_who_is_asked_later_cannot_be_counted_before_that(
    rows: Rows,
) -> Iterator[None]:
    approval_id = rows.approval(escalation='{"finance": 3600}')
    rows.without(OPEN)
    rows.decide(approval_id, "fay")
    yield
    follow(rows, approval_id, "approved")


# What an approval is given with ---------------------------------------------------------------


@attacks(dict.fromkeys((None, "", " \n\t"), (REASON,)))
def an_approval_cannot_lack_its_reason(rows: Rows, reason: str | None) -> Iterator[None]:
    approval_id = rows.approval(needs_reason=True)
    yield
    rows.decide(approval_id, reason=reason)


@attacks(dict.fromkeys((None, "", "vol-2", "VOL-1", "vol-1 "), (TYPED,)))
def an_approval_cannot_lack_what_is_typed_for_it(rows: Rows, typed: str | None) -> Iterator[None]:
    approval_id = rows.approval(confirm="vol-1")
    yield
    rows.decide(approval_id, confirmed=typed)


@attack(Constraint("approvals", "confirm_is_some_text"))
def nothing_cannot_be_what_is_typed(rows: Rows) -> Iterator[None]:
    yield
    rows.held(asked={"confirm": ""})
