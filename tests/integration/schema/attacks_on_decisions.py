"""What a decision cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack import Check, Constraint, Guard, attack, attacks
from rows import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rows import Rows

OPEN = Check("decisions_guard", "this approval is not open to this reviewer")
BINDS_DIGEST = Constraint("decisions", "decision_binds_digest")
ONCE = Constraint("decisions", "one_decision_per_reviewer")
BY_A_REVIEWER = Constraint("decisions", "decisions_tenant_id_reviewer_fkey")


def passed(rows: Rows) -> datetime:
    """A moment that is over."""
    return rows.one("select clock_timestamp() - interval '1 second'")


@attacks({"fay": (OPEN,), "gus": (OPEN,), "nobody": (OPEN, BY_A_REVIEWER)})
def a_decision_cannot_be_made_by_an_outsider(rows: Rows, reviewer: str) -> Iterator[None]:
    """Fay is in another group, gus is disabled, and nobody has no account."""
    approval_id = rows.approval()
    yield
    rows.decide(approval_id, reviewer)


@attack(BY_A_REVIEWER)
def a_decision_cannot_be_in_the_name_of_no_account(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    rows.without(OPEN)
    yield
    rows.decide(approval_id, "nobody")


_CLOSED_STATES: dict[str, tuple[Guard, ...]] = dict.fromkeys(
    ("approved", "rejected", "expired", "cancelled", "superseded", "consumed", "lapsed"), (OPEN,)
)


@attacks(_CLOSED_STATES)
def a_decision_cannot_come_after_the_end(rows: Rows, state: str) -> Iterator[None]:
    approval_id = rows.approval(state)
    yield
    rows.decide(approval_id, "erik")


@attack(OPEN)
def a_decision_cannot_come_after_the_deadline(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(expires_at=passed(rows))
    yield
    rows.decide(approval_id)


@attack(BINDS_DIGEST)
def a_decision_cannot_be_about_another_digest(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    rows.decide(approval_id, digest=bytes(32))


@attack(ONCE)
def a_reviewer_cannot_decide_twice(rows: Rows) -> Iterator[None]:
    approval_id = rows.approval(quorum=2)
    rows.decide(approval_id)
    yield
    rows.decide(approval_id)


@attacks(
    {
        ("edit", "args", None): (Constraint("decisions", "edit_has_args"),),
        ("approve", "args", b"{}"): (Constraint("decisions", "edit_has_args"),),
        ("answer", "answer", None): (Constraint("decisions", "answer_has_answer"),),
        ("approve", "answer", "{}"): (Constraint("decisions", "answer_has_answer"),),
        ("guess", "reason", None): (Constraint("decisions", "decisions_kind_check"),),
        ("approve", "via", "agent"): (Constraint("decisions", "decisions_via_check"),),
    }
)
def a_decision_cannot_be(rows: Rows, kind: str, column: str, value: object) -> Iterator[None]:
    approval_id = rows.approval()
    yield
    rows.decide(approval_id, kind=kind, **{column: value})


@attack(BY_A_REVIEWER)
def a_reviewer_who_decided_cannot_be_deleted(rows: Rows) -> Iterator[None]:
    rows.decide(rows.approval())
    yield
    rows.do("delete from reviewers where tenant_id = %(tenant)s and name = 'dana'", tenant=TENANT)
