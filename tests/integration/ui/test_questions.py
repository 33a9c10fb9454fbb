"""Questions and conflicts in the browser: what is shown, and what an answer becomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.queries import get_approval
from sample_day import CONFLICT, QUESTION, STAGE, TICKET, unclear
from visiting import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from seeding import Seeded, Seeds
    from visiting import Person


@pytest.fixture
def result(database: Database) -> Callable[[Seeded], Any]:
    """The result of the call that asked, and who gave it."""

    def look(seeded: Seeded) -> Any:
        with database.begin() as conn:
            found = get_approval(conn, tenant="default", approval_id=seeded.approval_id).call
        assert found
        return found.result, found.attested_by

    return look


@pytest.fixture
def question(seeds: Seeds) -> Seeded:
    """Which of two bookings is meant."""
    return unclear(seeds, "question", "ask_human", QUESTION, "Move her booking.")


@pytest.fixture
def conflict(seeds: Seeds) -> Seeded:
    """Three opinions of a refund."""
    return unclear(seeds, "conflict", "ask_about_conflict", CONFLICT, "Decide the claim.")


def test_a_question_is_answered_by_one_of_its_options(
    dana: Person, question: Seeded, result: Any
) -> None:
    page = dana.get(f"/approvals/{question.approval_id}")
    for shown in (
        "45% sure",
        "RB-20418, Harbour to Airport",
        "Move her booking.",
        "Or in your own",
    ):
        assert shown in text_of(page)
    assert 'name="option" value="RB-20431, Airport to Harbour"' in page.text
    assert "Approve" not in text_of(page)
    answer = dana.decide(question.approval_id, "answer", option=QUESTION["options"][1])
    assert answer.status_code == 303
    given = {"answer": QUESTION["options"][1], "answered_by": "dana"}
    assert result(question) == (given, "dana")
    after = text_of(dana.get(f"/approvals/{question.approval_id}"))
    assert "You answered this at" in after
    assert "The run was given the answer." in after


def test_a_question_is_answered_in_ones_own_words(
    dana: Person, question: Seeded, result: Any
) -> None:
    assert dana.decide(question.approval_id, "answer", text=" Neither. ").status_code == 303
    assert result(question) == ({"answer": "Neither.", "answered_by": "dana"}, "dana")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "The answer is missing."),
        ({"text": "Both", "option": "RB-20418, Harbour to Airport"}, "not both"),
        ({"option": "RB-1"}, "This is answered with"),
    ],
)
def test_what_is_no_answer_is_not_recorded_and_what_was_typed_stays(
    dana: Person, question: Seeded, fields: dict[str, str], says: str
) -> None:
    answer = dana.decide(question.approval_id, "answer", **fields)
    assert answer.status_code == 422
    assert says in text_of(answer)
    assert fields.get("text", "") in answer.text


def test_a_question_can_be_declined_with_a_reason(dana: Person, question: Seeded) -> None:
    assert dana.decide(question.approval_id, "reject").status_code == 422
    assert dana.decide(question.approval_id, "reject", note="Ask her.").status_code == 303
    after = text_of(dana.get(f"/approvals/{question.approval_id}"))
    assert "You declined to answer" in after
    assert "The run ends as ambiguous." in after


def test_a_stage_shows_the_input_and_what_every_stage_made_of_it(
    dana: Person, seeds: Seeds
) -> None:
    stage = unclear(seeds, "question", "ask_about_stage", STAGE, "go")
    page = text_of(dana.get(f"/approvals/{stage.approval_id}"))
    for shown in (TICKET, "classify", "93% sure", "reads as a feature request", "Refused:"):
        assert shown in page


def test_a_conflict_shows_each_opinion_and_one_of_them_is_taken(
    dana: Person, conflict: Seeded, result: Any
) -> None:
    page = text_of(dana.get(f"/approvals/{conflict.approval_id}"))
    at = [page.index(shown) for shown in ("fraud hold 55% sure third claim", "history refund",
                                          "policy refund 98% sure")]  # fmt: skip
    assert at == sorted(at)
    assert "fraud can veto" in page
    assert dana.decide(conflict.approval_id, "answer", option="fraud").status_code == 303
    given = {"answer": "hold", "answered_by": "dana", "opinion_of": "fraud"}
    assert result(conflict) == (given, "dana")


def test_an_outsider_sees_a_question_and_cannot_answer_it(
    person: Callable[..., Person], question: Seeded
) -> None:
    fay = person("fay", "finance")
    assert "Only on-call can decide this." in text_of(fay.get(f"/approvals/{question.approval_id}"))
    assert fay.decide(question.approval_id, "answer", text="Yes").status_code == 403


def test_the_inbox_names_the_kinds(dana: Person, question: Seeded, conflict: Seeded) -> None:
    inbox = text_of(dana.get("/approvals"))
    assert f"Question {QUESTION['question']}" in inbox
    assert f"Conflict {CONFLICT['question']}" in inbox


def test_the_api_takes_the_answer_and_says_what_would_be_one(
    dana: Person, question: Seeded, result: Any
) -> None:
    address = f"/api/approvals/{question.approval_id}/decisions"
    csrf = {"x-csrf-token": dana.csrf()}
    body: dict[str, Any] = {"decision": "answer", "digest": question.digest}
    wrong = dana.client.post(address, json={**body, "answer": {"option": "RB-1"}}, headers=csrf)
    assert wrong.status_code == 422, wrong.text
    assert json.dumps(QUESTION["options"])[1:20] in wrong.json()["error"]
    fine = dana.client.post(address, json={**body, "answer": {"text": "Hm"}}, headers=csrf)
    assert fine.status_code == 200
    assert fine.json()["state"] == "consumed"
    assert result(question)[1] == "dana"
    approve = dana.client.post(address, json={**body, "decision": "approve"}, headers=csrf)
    assert approve.status_code == 409
