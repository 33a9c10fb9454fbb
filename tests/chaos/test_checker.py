"""The checker finds each broken invariant in a history that was forged to break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness.checker import check
from harness.evidence import Ack, Fault
from histories import (
    ACK,
    APPROVAL,
    CALL,
    DECISION,
    DOUBTED,
    EFFECT,
    GOOD,
    RUN,
    STARTED,
    STEP,
    but,
    call,
)


def test_a_good_history_has_no_violation() -> None:
    assert check(GOOD) == []


def test_a_call_in_doubt_whose_worker_was_killed_is_no_violation() -> None:
    attested = call(attested_by="dana", state="failed", finished_at=9.0)
    doubted = replace(
        GOOD,
        effects=[],
        calls=[attested],
        audit=[STARTED, DOUBTED],
        faults=[Fault(4, "kill", "w1")],
    )
    assert check(doubted) == []


def test_the_same_key_again_is_no_second_effect() -> None:
    keyed = replace(EFFECT, key="c1")
    again = replace(GOOD, calls=[call(recovery="same_key")], effects=[keyed, keyed])
    assert check(again) == []


def test_a_run_that_waits_for_an_open_question_is_at_rest() -> None:
    waiting = but(RUN, status="waiting", exit=None)
    asked = but(APPROVAL, id="a2", state="pending")
    assert check(replace(GOOD, runs=[waiting], approvals=[APPROVAL, asked])) == []


def test_a_run_ends_by_three_rejections_in_a_row_and_by_no_fewer() -> None:
    ended = but(RUN, exit="rejected")
    rejections = [but(DECISION, kind="reject", at=at) for at in (2.1, 2.2, 2.3)]

    def at_rest(decisions: list[Any]) -> bool:
        history = replace(GOOD, runs=[ended], decisions=decisions)
        return "I6" not in {found.invariant for found in check(history)}

    assert at_rest(rejections)
    assert not at_rest(rejections[:2])
    assert not at_rest([*rejections[:2], but(DECISION, at=2.25), rejections[2]])


def test_a_lapsed_approval_that_was_asked_for_again_is_honoured() -> None:
    before = call(state="superseded", starts=0, id="c0", approval_id="a0")
    lapsed = but(APPROVAL, id="a0", call_id="c0", state="lapsed")
    moved = [replace(ACK, kind="moved", approval="a0"), replace(ACK, approval="a0")]
    decisions = [DECISION, but(DECISION, approval_id="a0")]
    again = call(revision=2)
    known = replace(
        GOOD,
        calls=[before, again],
        approvals=[lapsed, APPROVAL],
        decisions=decisions,
        acks=[*moved, ACK],
    )
    assert check(known) == []
    assert check(replace(known, calls=[before, CALL], effects=[EFFECT])) != []


def test_what_a_process_does_that_stood_still_after_its_last_look_is_excused() -> None:
    late = replace(
        GOOD,
        calls=[call(state="failed", verified=True, finished_at=6.0)],
        effects=[replace(EFFECT, at=8.0)],
        faults=[Fault(2.5, "stop", "w1", "effect.before")],
    )
    assert check(late) == []
    elsewhere = replace(late, faults=[Fault(2.5, "stop", "w1", "start.answered")])
    assert {found.invariant for found in check(elsewhere)} == {"I1", "I5"}


REJECTED = {
    "calls": [call(state="rejected", starts=0)],
    "approvals": [but(APPROVAL, state="rejected")],
    "decisions": [but(DECISION, kind="reject")],
    "acks": [replace(ACK, kind="reject")],
}
FORGED: dict[str, tuple[str, dict[str, Any]]] = {
    "it happened twice": ("I1", {"effects": [EFFECT, replace(EFFECT, at=5.0)]}),
    "two calls did the same": (
        "I1",
        {
            "calls": [CALL, call(id="c2")],
            "effects": [EFFECT, replace(EFFECT, call="c2")],
            "audit": [STARTED, but(STARTED, call_id="c2")],
        },
    ),
    "it happened twice under two keys": (
        "I1",
        {
            "calls": [call(recovery="same_key")],
            "effects": [replace(EFFECT, key="k1"), replace(EFFECT, key="k2")],
        },
    ),
    "it is recorded and never happened": ("I1", {"effects": []}),
    "it is recorded as failed and happened": ("I1", {"calls": [call(state="failed")]}),
    "other bytes were sent": ("I2", {"effects": [replace(EFFECT, sent='{"at":"b"}')]}),
    "another tool acted": ("I2", {"effects": [replace(EFFECT, tool="mail")]}),
    "the journal was changed along": (
        "I2",
        {"calls": [call(args='{"at":"b"}')], "effects": [replace(EFFECT, sent='{"at":"b"}')]},
    ),
    "an acknowledged run is gone": ("I3", {"acks": [Ack(0.1, "created", "r2")]}),
    "an acknowledged decision is gone": ("I3", {"decisions": [but(DECISION, reviewer="erin")]}),
    "a decision is recorded and its approval is open": (
        "I3",
        {"approvals": [but(APPROVAL, state="pending")], "calls": [call(state="waiting", starts=0)]},
    ),
    "an approval came to nothing": (
        "I3",
        {
            "calls": [call(state="cancelled", starts=0)],
            "approvals": [but(APPROVAL, state="lapsed")],
        },
    ),
    "a rejection was overruled": ("I3", {**REJECTED, "approvals": [APPROVAL]}),
    "a cancelled run lives on": (
        "I3",
        {"acks": [Ack(5.0, "cancel", "r1", by="finn")], "runs": [but(RUN, status="queued")]},
    ),
    "an edit was dropped": (
        "I3",
        {
            "calls": [call(state="superseded", starts=0)],
            "approvals": [but(APPROVAL, state="superseded")],
            "decisions": [but(DECISION, kind="edit")],
            "acks": [replace(ACK, kind="edit", said={"at": "b"})],
        },
    ),
    "an attestation was overwritten": (
        "I3",
        {
            "acks": [replace(ACK, kind="answer", said={"happened": False})],
            "decisions": [DECISION, but(DECISION, kind="answer")],
            "calls": [call(attested_by="dana", state="succeeded")],
        },
    ),
    "it happened after a person attested that it did not": (
        "I3",
        {
            "acks": [replace(ACK, at=2.5, kind="answer", said={"happened": False})],
            "decisions": [DECISION, but(DECISION, kind="answer")],
            "calls": [call(attested_by="dana", state="failed", finished_at=9.0)],
            "faults": [Fault(2.1, "stop", "w1", "start.answered")],
        },
    ),
    "it happened before its approval": ("I4", {"decisions": [but(DECISION, at=3.5)]}),
    "another digest was approved": ("I4", {"decisions": [but(DECISION, digest="00")]}),
    "it happened before its start": ("I4", {"audit": [but(STARTED, at=3.5)]}),
    "nobody knows the call": ("I4", {"effects": [EFFECT, replace(EFFECT, call="c9")]}),
    "it was rejected and happened": ("I5", REJECTED),
    "it expired and was started": (
        "I5",
        {"calls": [call(state="expired")], "approvals": [but(APPROVAL, state="expired")]},
    ),
    "it started after the cancellation": (
        "I5",
        {"acks": [Ack(1.5, "cancel", "r1", by="finn")], "runs": [but(RUN, exit="cancelled")]},
    ),
    "it arrived after its time to be sent": ("I5", {"effects": [replace(EFFECT, at=7.0)]}),
    "it was seen too early not to have happened": (
        "I5",
        {"effects": [], "calls": [call(state="failed", verified=True, finished_at=4.9)]},
    ),
    "it was attested too early not to have happened": (
        "I5",
        {"effects": [], "calls": [call(state="failed", attested_by="dana", finished_at=4.9)]},
    ),
    "its target had moved before it was approved": (
        "I4",
        {"acks": [replace(ACK, kind="moved"), ACK]},
    ),
    "its approval lapsed and nobody was asked again": (
        "I3",
        {
            "calls": [call(state="superseded", starts=0)],
            "approvals": [but(APPROVAL, state="lapsed")],
        },
    ),
    "a run is stuck": ("I6", {"runs": [but(RUN, status="running", exit=None)]}),
    "a run waits for nothing": ("I6", {"runs": [but(RUN, status="waiting", exit=None)]}),
    "a run failed": ("I6", {"runs": [but(RUN, exit="failed")]}),
    "a call executes for ever": ("I6", {"calls": [call(state="executing")]}),
    "the run forked": ("I8", {"steps": [STEP, but(STEP, id="s2")]}),
    "in doubt for no reason": ("I9", {"audit": [STARTED, DOUBTED]}),
    "in doubt although only another worker died": (
        "I9",
        {"audit": [STARTED, DOUBTED], "faults": [Fault(4.0, "kill", "w2")]},
    ),
    "in doubt although its worker died before": (
        "I9",
        {"audit": [STARTED, DOUBTED], "faults": [Fault(0.5, "kill", "w1")]},
    ),
    "in doubt after the database restarted": (
        "I9",
        {"audit": [STARTED, DOUBTED], "faults": [Fault(4.0, "postgres SIGKILL")]},
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_history_is_found_out(how: str) -> None:
    invariant, changes = FORGED[how]
    assert invariant in {found.invariant for found in check(replace(GOOD, **changes))}
