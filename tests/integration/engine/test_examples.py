"""The examples of the docs run as they are, each to the end that its page tells.

Two of them are failures that happened to others: a security incident filed as a feature request and
found 72 hours later by a customer, and three agents that disagreed while the most confident one was
followed, wrongly, for three weeks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from interlock.examples import react_loop, refund_fan_out, support_chain, which_booking

if TYPE_CHECKING:
    from conftest import Lab

INCIDENT = (
    "Could you add a page that shows who is signed in? Since Tuesday we see logins from abroad "
    "that none of us made."
)
LARGE = {"booking": "RB-20311", "cents": 41_600}
SMALL = {"booking": "RB-20312", "cents": 1_640}


@pytest.fixture(autouse=True)
def _new_world() -> None:
    support_chain.FILED.clear()
    refund_fan_out.PAID.clear()


def test_a_security_incident_is_not_filed_as_a_feature_request(lab: Lab) -> None:
    lab.work(support_chain.agent)
    run_id = lab.start(support_chain.agent, {"input": INCIDENT})
    asked = lab.pending(run_id)[0]
    assert support_chain.FILED == {}
    assert "which is no feature request" in asked["headline"]
    (call,) = lab.calls(run_id)
    assert INCIDENT.encode() in bytes(call["args"])
    lab.decide(asked, "answer", answer={"option": "security incident"})
    assert lab.ended(run_id)["exit"] == "completed"
    assert support_chain.FILED == {INCIDENT: "security incident"}
    trail = lab.run(run_id)["output"]["trail"]
    assert [(step["stage"], step["answered_by"]) for step in trail] == [
        ("classify", None), ("check", None), ("check", "dana"), ("check", None), ("file", None),
    ]  # fmt: skip
    assert trail[0]["value"] == "feature request"
    assert trail[0]["confidence"] == 0.93


def test_a_plain_ticket_is_filed_without_a_person(lab: Lab) -> None:
    lab.work(support_chain.agent)
    run_id = lab.start(support_chain.agent, {"input": "The map is blank."})
    assert lab.ended(run_id)["exit"] == "completed"
    assert support_chain.FILED == {"The map is blank.": "bug"}


def test_three_that_disagree_go_to_a_person_and_the_surest_decides_nothing(lab: Lab) -> None:
    lab.work(refund_fan_out.agent)
    run_id = lab.start(refund_fan_out.agent, {"input": LARGE})
    asked = lab.pending(run_id)[0]
    assert asked["kind"] == "conflict"
    (call,) = lab.calls(run_id)
    for told in (b'"confidence":0.98', b"third claim this month", b"fraud can veto"):
        assert told in bytes(call["args"])
    lab.decide(asked, "answer", answer={"opinion": "fraud"})
    assert lab.ended(run_id)["exit"] == "completed"
    output = lab.run(run_id)["output"]
    assert (output["value"], output["decided_by"]) == ("held", ["dana"])
    assert refund_fan_out.PAID == []


def test_three_that_agree_still_need_a_person_for_the_payment(lab: Lab) -> None:
    lab.work(refund_fan_out.agent)
    run_id = lab.start(refund_fan_out.agent, {"input": SMALL})
    asked = lab.pending(run_id)[0]
    assert (asked["kind"], asked["headline"]) == ("call", "Refund 16.40 to RB-20312")
    assert refund_fan_out.PAID == []
    lab.decide(asked)
    assert lab.ended(run_id)["exit"] == "completed"
    assert refund_fan_out.PAID == ["RB-20312"]


@pytest.mark.parametrize(
    ("asked", "ends", "calls"), [("When?", "limit_reached", 8), ("again", "ambiguous", 3)]
)
def test_a_loop_ends(lab: Lab, asked: str, ends: str, calls: int) -> None:
    lab.work(react_loop.agent)
    messages: Any = {"messages": [{"role": "user", "content": asked}]}
    run_id = lab.start(react_loop.agent, messages)
    assert lab.ended(run_id)["exit"] == ends
    assert lab.run(run_id)["used_calls"] == calls


def test_which_of_two_bookings_is_meant_a_person_says(lab: Lab) -> None:
    lab.work(which_booking.agent)
    run_id = lab.start(which_booking.agent, {"name": "Okafor"})
    (asked,) = lab.pending(run_id)
    assert asked["kind"] == "question"
    lab.decide(asked, "answer", answer={"option": "RB-20420"})
    output = lab.ended(run_id)["output"]
    assert (output["chosen"], output["answered_by"]) == ("RB-20420", "dana")
    declined = lab.start(which_booking.agent, {"name": "Okafor"})
    lab.decide(lab.pending(declined)[0], "reject", reason="Neither.")
    assert lab.ended(declined)["exit"] == "ambiguous"


def test_where_one_booking_fits_nobody_is_asked(lab: Lab) -> None:
    lab.work(which_booking.agent)
    run = lab.ended(lab.start(which_booking.agent, {"name": "Lind"}))
    assert (run["output"]["chosen"], run["output"]["answered_by"]) == ("RB-20431", None)
