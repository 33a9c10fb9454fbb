"""Deciding in the browser: what is recorded, what is refused, and what each page then says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine.queries import get_approval
from visiting import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from seeding import Seeded, Seeds
    from visiting import Person


@pytest.fixture
def stands(database: Database) -> Callable[[Seeded], tuple[str, int]]:
    """An approval's state, and how many decisions are recorded about it."""

    def look(seeded: Seeded) -> tuple[str, int]:
        with database.begin() as conn:
            detail = get_approval(conn, tenant="default", approval_id=seeded.approval_id)
        return detail.approval.state, len(detail.decisions)

    return look


def test_an_irreversible_call_is_approved_by_typing_what_it_is_about(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held()
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "To approve, type vol-prod-7" in page
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/approvals/{held.approval_id}"
    assert stands(held) == ("approved", 1)
    after = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "You approved this at" in after
    assert "The call has not run yet." in after


@pytest.mark.parametrize("typed", ["", "vol-prod-8", "VOL-PROD-7", "delete_volume"])
def test_a_wrong_confirmation_records_nothing(
    dana: Person, seeds: Seeds, stands: Any, typed: str
) -> None:
    held = seeds.held()
    answer = dana.decide(held.approval_id, "approve", confirm=typed, note="Looks right")
    assert answer.status_code == 422
    assert stands(held) == ("pending", 0)
    assert "Your approval was not recorded." in text_of(answer)
    assert "type vol-prod-7 exactly" in text_of(answer)
    assert "Looks right" in answer.text


def test_a_headline_without_an_object_asks_for_the_tool_s_name(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(headline="Delete a volume")
    assert dana.decide(held.approval_id, "approve", confirm="vol-prod-7").status_code == 422
    assert dana.decide(held.approval_id, "approve", confirm="delete_volume").status_code == 303
    assert stands(held) == ("approved", 1)


def test_a_reversible_call_needs_no_typing(dana: Person, seeds: Seeds, stands: Any) -> None:
    held = seeds.held(tool="move_booking", args={"booking_id": "RB-1", "vehicle": 4})
    assert "To approve, type" not in text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert dana.decide(held.approval_id, "approve").status_code == 303
    assert stands(held) == ("approved", 1)


def test_a_rejection_needs_a_reason_and_no_typing(
    dana: Person, seeds: Seeds, stands: Any, database: Database
) -> None:
    held = seeds.held()
    answer = dana.decide(held.approval_id, "reject")
    assert answer.status_code == 422
    assert "Choose a reason or write a note" in text_of(answer)
    assert stands(held) == ("pending", 0)
    answer = dana.decide(held.approval_id, "reject", reason="backup", note="Ask storage.")
    assert answer.status_code == 303
    assert stands(held) == ("rejected", 1)
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "You rejected this at" in page
    assert "The call did not run." in page
    assert "“Back up first. Ask storage.”" in page


def test_the_second_of_two_people_is_told_who_was_first(
    dana: Person, person: Any, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held()
    erin = person("erin", "on-call")
    stale = dana.get(f"/approvals/{held.approval_id}")
    assert stale.status_code == 200
    assert erin.decide(held.approval_id, "reject", reason="request").status_code == 303
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7", digest=held.digest)
    assert answer.status_code == 409
    page = text_of(answer)
    assert "erin rejected this at" in page
    assert "Your approval was not recorded, and the call did not run." in page
    assert stands(held) == ("rejected", 1)


def test_a_page_that_showed_another_call_decides_nothing(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held()
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7", digest="0" * 64)
    assert answer.status_code == 409
    assert "The page did not show the call that is stored." in text_of(answer)
    assert "Your approval was not recorded" in text_of(answer)
    assert stands(held) == ("pending", 0)


def test_after_its_deadline_an_approval_cannot_be_given_and_is_not_called_rejected(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(expires_in=timedelta(seconds=-1))
    page = dana.get(f"/approvals/{held.approval_id}")
    assert '<form class="decision' not in page.text
    assert "Expired is not rejected: nobody said no." in text_of(page)
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7", digest=held.digest)
    assert answer.status_code == 409
    assert "This expired at" in text_of(answer)
    assert stands(held) == ("pending", 0)
    assert "ejected" not in text_of(answer).replace("Expired is not rejected", "")


def test_somebody_outside_the_named_groups_sees_all_and_decides_nothing(
    person: Any, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(reviewers=("storage",))
    carl = person("carl", "finance")
    page = carl.get(f"/approvals/{held.approval_id}")
    assert "Only storage can decide this. You are carl, in finance." in text_of(page)
    assert '<form class="decision' not in page.text
    answer = carl.decide(held.approval_id, "approve", confirm="vol-prod-7", digest=held.digest)
    assert answer.status_code == 403
    assert "You cannot decide this." in text_of(answer)
    assert stands(held) == ("pending", 0)


def test_a_quorum_needs_different_people(
    dana: Person, person: Any, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(quorum=2)
    path = f"/approvals/{held.approval_id}"
    assert "After your approval, 1 more approval is needed." in text_of(dana.get(path))
    dana.decide(held.approval_id, "approve", confirm="vol-prod-7")
    assert stands(held) == ("pending", 1)
    mine = text_of(dana.get(path))
    assert "Your approval was recorded at" in mine
    assert "1 more approval is needed, by another reviewer." in mine
    erin = person("erin", "on-call")
    hers = text_of(erin.get(path))
    assert "dana approved at" in hers
    assert "1 more approval is needed. Nothing happens before that." in hers
    assert "Your approval would be the last one needed" in hers
    erin.decide(held.approval_id, "approve", confirm="vol-prod-7")
    assert stands(held) == ("approved", 2)


def test_the_page_says_which_group_s_approval_is_missing(
    dana: Person, person: Any, seeds: Seeds, stands: Any
) -> None:
    each = {"each": '{"on-call": 1, "storage": 1}'}
    of_three = seeds.held(reviewers=("on-call", "storage"), quorum=3, terms=each)
    seeds.decide(of_three, "dana", "approve")
    page = text_of(dana.get(f"/approvals/{of_three.approval_id}"))
    assert "2 more approvals are needed, storage among them, by another reviewer." in page
    held = seeds.held(reviewers=("on-call", "storage"), quorum=2, terms=each)
    path, word = f"/approvals/{held.approval_id}", {"confirm": "vol-prod-7"}
    dana.decide(held.approval_id, "approve", **word)
    erin, saul = person("erin", "on-call"), person("saul", "storage")
    page = text_of(erin.get(path))
    assert "After your approval, 1 more approval is needed, from storage." in page
    assert "From on-call 1 of 1 dana" in page
    assert "From storage 0 of 1" in page
    erin.decide(held.approval_id, "approve", **word)
    page = text_of(saul.get(path))
    assert "Quorum 1 of 2 dana" in page
    assert "Your approval would be the last one needed" in page
    saul.decide(held.approval_id, "approve", **word)
    assert stands(held) == ("approved", 3)


def test_who_asked_for_the_run_is_told_why_they_cannot_approve_it_and_may_reject_it(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(seeds.run(requested_by="reviewer:dana"), terms={"separation": ["requester"]})
    page = dana.get(f"/approvals/{held.approval_id}")
    assert "You asked for this run, so somebody else has to approve it." in text_of(page)
    assert "Does not count dana, who asked for this run" in text_of(page)
    assert 'value="approve"' not in page.text
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7")
    assert answer.status_code == 403
    assert stands(held) == ("pending", 0)
    assert dana.decide(held.approval_id, "reject", reason="later").status_code == 303
    assert stands(held) == ("rejected", 1)


def test_who_is_asked_later_sees_from_when_on(dana: Person, person: Any, seeds: Seeds) -> None:
    terms = {"escalation": '{"storage": 86400, "on-call-lead": 60}'}
    held = seeds.held(terms=terms)
    page = person("saul", "storage").get(f"/approvals/{held.approval_id}")
    assert "Only on-call or on-call-lead can decide this now. You can from" in text_of(page)
    assert '<form class="decision' not in page.text
    shown = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "Asked too on-call-lead, since" in shown
    assert "Asked later storage, from" in shown
    lead = person("lena", "on-call-lead")
    assert lead.decide(held.approval_id, "approve", confirm="vol-prod-7").status_code == 303


def test_an_approval_that_needs_a_reason_is_not_recorded_without(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(terms={"needs_reason": True})
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "Reason (required, kept in the log; sent to the agent if you reject)" in page
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7")
    assert answer.status_code == 422
    assert "An approval of this needs a reason." in text_of(answer)
    assert stands(held) == ("pending", 0)
    dana.decide(held.approval_id, "approve", confirm="vol-prod-7", note="Ticket 7.")
    assert stands(held) == ("approved", 1)


def test_what_the_terms_have_typed_is_asked_for_whatever_the_effect(
    dana: Person, seeds: Seeds, stands: Any
) -> None:
    held = seeds.held(
        tool="move_booking",
        args={"booking_id": "RB-1", "vehicle": 4},
        terms={"confirm": "RB-1"},
    )
    assert "To approve, type RB-1" in text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert dana.decide(held.approval_id, "approve", confirm="RB-2").status_code == 422
    assert dana.decide(held.approval_id, "approve", confirm="RB-1").status_code == 303
    assert stands(held) == ("approved", 1)


@pytest.mark.parametrize(
    ("button", "call_state", "says"),
    [
        ("happened", "succeeded", "The run was told that the call happened."),
        ("not_happened", "failed", "The run was told that the call did not happen."),
        ("abandon", "abandoned", "Whether the call happened stays unknown."),
    ],
)
def test_a_call_in_doubt_is_settled_with_evidence(
    dana: Person, seeds: Seeds, database: Database, button: str, call_state: str, says: str
) -> None:
    held = seeds.held()
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    doubt = seeds.in_doubt(held)
    page = text_of(dana.get(f"/approvals/{doubt.approval_id}"))
    assert "What happened?" in page
    assert "It will not be run again by itself." in page
    refused = dana.decide(doubt.approval_id, button)
    assert refused.status_code == 422
    assert "the evidence is missing" in text_of(refused)
    assert dana.decide(doubt.approval_id, button, note="Looked it up.").status_code == 303
    with database.begin() as conn:
        detail = get_approval(conn, tenant="default", approval_id=doubt.approval_id)
    assert detail.call is not None
    assert detail.call.state == call_state
    assert says in text_of(dana.get(f"/approvals/{doubt.approval_id}"))


def test_the_page_of_a_used_approval_leads_to_the_doubt_about_its_call(
    dana: Person, seeds: Seeds
) -> None:
    held = seeds.held()
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    doubt = seeds.in_doubt(held)
    page = dana.get(f"/approvals/{held.approval_id}")
    assert f'href="/approvals/{doubt.approval_id}">Say what happened' in page.text
    assert "may or may not have happened" in text_of(page)


def test_an_approval_that_ran_shows_what_came_back(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    seeds.finish(held)
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "The call ran and returned at" in page
    assert '{"deleted":true}' in page


def test_a_cancelled_approval_is_not_called_rejected(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    assert dana.post(f"/runs/{held.run_id}/cancel").status_code == 303
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "Cancelled at" in page
    assert "The call did not run." in page
    assert "ejected" not in page


def test_a_field_that_no_page_sends_is_refused(dana: Person, seeds: Seeds, stands: Any) -> None:
    held = seeds.held()
    answer = dana.decide(held.approval_id, "approve", confirm="vol-prod-7", reviewer="erin")
    assert answer.status_code == 422
    assert stands(held) == ("pending", 0)


def test_an_approval_that_is_not_there_is_said_not_to_be(dana: Person) -> None:
    missing = dana.get("/approvals/01890000-0000-7000-8000-000000000000")
    assert missing.status_code == 404
    assert "There is no approval" in text_of(missing)
    assert dana.get("/approvals/nonsense").status_code == 404


def test_a_changed_agent_is_let_go_on_or_its_run_ends(
    dana: Person, seeds: Seeds, stands: Any, database: Database
) -> None:
    asked = seeds.version(seeds.run())
    page = text_of(dana.get(f"/approvals/{asked.approval_id}"))
    assert "If you approve, the run goes on with the changed agent." in page
    assert f"Began with {seeds.fingerprint} Now is {'a' * 64}" in page
    assert dana.decide(asked.approval_id, "reject", reason="later").status_code == 303
    assert stands(asked) == ("rejected", 1)
    after = text_of(dana.get(f"/approvals/{asked.approval_id}"))
    assert "You rejected this at" in after
    assert "The run ended." in after
    assert "call did not run" not in after


def test_a_changed_agent_goes_on(dana: Person, seeds: Seeds, stands: Any) -> None:
    asked = seeds.version(seeds.run())
    assert dana.decide(asked.approval_id, "approve").status_code == 303
    assert stands(asked) == ("consumed", 1)
    assert "The run goes on." in text_of(dana.get(f"/approvals/{asked.approval_id}"))
