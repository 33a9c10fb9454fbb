"""What the record of how sure a stage was cannot be, and cannot become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, Guard, Trigger, attack, attacks
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Rows

UNMARKED = Check("assessments_guard", "an assessment begins unmarked")
WHOSE = Check("assessments_guard", "whose assessment it is cannot change")
STATED = Check(
    "assessments_guard", "what was stated cannot change once somebody said something of it"
)
TAKEN = Check("assessments_guard", "what was gone on with cannot change")
STAYS = Check("assessments_guard", "that it was wrong stays said")
BY_AN_ACCOUNT = Check("assessments_guard", "that it was wrong is said by somebody with an account")
OF_A_RUN = Constraint("assessments", "assessment_of_a_run")
SAYS_WHO = Constraint("assessments", "wrong_says_who")
AUDITED = Trigger("assessments", "audited", "assessment .* was marked as wrong without .*")


def assessment(rows: Rows, run_id: UUID | None = None, **columns: Any) -> UUID:
    """A stage's assessment, of which nobody said anything."""
    assessment_id = uuid7()
    row = {"tenant_id": TENANT, "run_id": run_id or rows.run("running"), "id": assessment_id}
    place = {"ns": "", "task_id": "t1", "stage": "classify", "ordinal": 0}
    stated = {"confidence": 0.9, "value_digest": b"v"}
    rows.insert("assessments", **{**row, **place, **stated, **columns})
    return assessment_id


def mark(rows: Rows, assessment_id: UUID, by: str = "dana", **columns: Any) -> None:
    """A person says that it was wrong."""
    marked = {"wrong_at": rows.one("select clock_timestamp()"), "wrong_by": by, **columns}
    rows.change("assessments", assessment_id, **marked)
    entry = {"subject": assessment_id, "state": "wrong", "actor": f"reviewer:{by}"}
    rows.audit("assessment.marked_wrong", **entry)


@attack(OF_A_RUN)
def an_assessment_cannot_be_of_no_run(rows: Rows) -> Iterator[None]:
    yield
    assessment(rows, uuid7())


@attack(Constraint("assessments", "stated_once"))
def a_stage_cannot_state_two_things_at_once(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    assessment(rows, run_id)
    yield
    assessment(rows, run_id, confidence=0.2)


@attacks(
    dict.fromkeys((-0.1, 1.1, float("nan")), (Constraint("assessments", "confidence_is_a_share"),))
)
def a_confidence_cannot_be(rows: Rows, confidence: float) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    assessment(rows, run_id, confidence=confidence)


@attack(Constraint("assessments", "taken_from_somebody"))
def nobody_can_have_answered_nothing(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    assessment(rows, run_id, taken_by="dana")


@attack(UNMARKED)
def an_assessment_cannot_begin_as_wrong(rows: Rows) -> Iterator[None]:
    run_id = rows.run("running")
    yield
    assessment(rows, run_id, wrong_at="now", wrong_by="dana")


_IN_PART: dict[str, dict[str, Any]] = {
    "by_nobody": {"wrong_at": "now"},
    "at_no_time": {"wrong_by": "dana"},
    "only_for_a_reason": {"wrong_reason": "why"},
}


@attacks(dict.fromkeys(_IN_PART, (SAYS_WHO,)))
def nothing_can_be_wrong(rows: Rows, how: str) -> Iterator[None]:
    assessment_id = assessment(rows)
    rows.without(BY_AN_ACCOUNT, AUDITED)
    yield
    rows.change("assessments", assessment_id, **_IN_PART[how])


_WHOSE: dict[str, tuple[Guard, ...]] = {
    "tenant_id": (WHOSE, OF_A_RUN),
    **dict.fromkeys(("id", "run_id", "ns", "task_id", "stage", "ordinal", "stated_at"), (WHOSE,)),
}


@attacks(_WHOSE)
def whose_assessment_it_is_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    assessment_id = assessment(rows)
    other = {
        **dict.fromkeys(("tenant_id", "ns", "task_id", "stage"), "another"),
        "id": uuid7(),
        "run_id": rows.run("running"),
        "ordinal": 1,
        "stated_at": "2020-01-01",
    }
    yield
    rows.change("assessments", assessment_id, **{column: other[column]})


_OTHER: dict[str, Any] = {"confidence": 0.1, "value_digest": b"w"}


@attacks(
    {(column, said): (STATED,) for column in _OTHER for said in ("it was answered", "it was wrong")}
)
def what_was_stated_cannot_change_after(rows: Rows, column: str, said: str) -> Iterator[None]:
    answered = {"taken_digest": b"w", "taken_by": "dana"} if said == "it was answered" else {}
    assessment_id = assessment(rows, **answered)
    if not answered:
        mark(rows, assessment_id)
        rows.settle()
    yield
    rows.change("assessments", assessment_id, **{column: _OTHER[column]})


_TAKEN: dict[str, dict[str, Any]] = {
    "another_answer": {"taken_digest": b"x"},
    "no_answer": {"taken_digest": None, "taken_by": None},
    "anothers": {"taken_by": "erik"},
}


@attacks(dict.fromkeys(_TAKEN, (TAKEN,)))
def what_was_gone_on_with_cannot_become(rows: Rows, what: str) -> Iterator[None]:
    assessment_id = assessment(rows, taken_digest=b"w", taken_by="dana")
    yield
    rows.change("assessments", assessment_id, **_TAKEN[what])


_AGAIN: dict[str, dict[str, Any]] = {
    "unsaid": {"wrong_at": None, "wrong_by": None, "wrong_reason": None},
    "anothers": {"wrong_by": "erik"},
    "for_another_reason": {"wrong_reason": "another"},
    "later": {"wrong_at": "2090-01-01"},
}


@attacks(dict.fromkeys(_AGAIN, (STAYS,)))
def that_it_was_wrong_cannot_become(rows: Rows, what: str) -> Iterator[None]:
    assessment_id = assessment(rows)
    mark(rows, assessment_id, wrong_reason="why")
    rows.settle()
    rows.without(AUDITED)
    yield
    rows.change("assessments", assessment_id, **_AGAIN[what])


@attacks(dict.fromkeys(("gus", "nobody"), (BY_AN_ACCOUNT,)))
def nothing_is_wrong_because_of(rows: Rows, by: str) -> Iterator[None]:
    assessment_id = assessment(rows)
    yield
    mark(rows, assessment_id, by)


@attack(BY_AN_ACCOUNT)
def nothing_is_wrong_because_of_an_account_of_another_tenant(rows: Rows) -> Iterator[None]:
    rows.insert("reviewers", tenant_id="another", name="hal", password_hash="x", groups=[])
    assessment_id = assessment(rows)
    yield
    mark(rows, assessment_id, "hal")


@attack(AUDITED)
def nothing_can_be_marked_as_wrong_without_an_entry(rows: Rows) -> Iterator[None]:
    assessment_id = assessment(rows)
    rows.settle()
    yield
    rows.silent = True
    mark(rows, assessment_id)


_ENTRIES: dict[str, dict[str, Any]] = {
    "of_another_tenant": {"tenant_id": "another"},
    "of_another_assessment": {"subject": uuid7()},
    "of_another_state": {"state": "granted"},
    "in_anothers_name": {"actor": "reviewer:erik"},
}


@attacks(dict.fromkeys(_ENTRIES, (AUDITED,)))
def nothing_can_be_marked_as_wrong_with_an_entry(rows: Rows, other: str) -> Iterator[None]:
    assessment_id = assessment(rows)
    rows.settle()
    yield
    rows.silent = True
    mark(rows, assessment_id)
    rows.silent = False
    right = {"subject": assessment_id, "state": "wrong", "actor": "reviewer:dana"}
    rows.audit("assessment.marked_wrong", **{**right, **_ENTRIES[other]})


@attack(
    Trigger("assessments", "no_delete", "DELETE refused on assessments: its rows stay as they are")
)
def an_assessment_cannot_be_removed(rows: Rows) -> Iterator[None]:
    assessment_id = assessment(rows)
    rows.settle()
    yield
    rows.do("delete from assessments where id = %(id)s", id=assessment_id)
