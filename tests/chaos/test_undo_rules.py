"""The checker finds each broken rule of a rollback in a history that was forged to break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness.checker import check
from harness.evidence import Ack, Fault
from histories import (
    ACK,
    APPROVAL,
    BACK,
    DECISION,
    DONE,
    EFFECT,
    OTHER,
    ROLLBACK,
    TAKEN_BACK,
    UNDO_DOUBTED,
    UNDOS,
    but,
    undo_of,
)


def test_a_rollback_in_reverse_is_no_violation() -> None:
    assert check(BACK) == []


def test_an_undo_in_doubt_whose_worker_was_killed_is_no_violation() -> None:
    attested = undo_of("t1", 2, attested_by="dana")
    doubted = replace(
        BACK,
        audit=[*BACK.audit, UNDO_DOUBTED],
        undos=[UNDOS[0], attested],
        faults=[Fault(22.7, "kill", "w1")],
    )
    assert check(doubted) == []


def test_an_undo_that_left_its_target_otherwise_is_no_violation() -> None:
    differs = undo_of("t1", 2, state="failed", restored=False)
    calls = [each if each.id != "t1" else but(each, state="undo_failed") for each in BACK.calls]
    partial = but(ROLLBACK, outcome="partial")
    assert check(replace(BACK, calls=calls, undos=[UNDOS[0], differs], rollbacks=[partial])) == []


FORGED_BACK: dict[str, tuple[str, dict[str, Any]]] = {
    "it was undone twice": (
        "I7",
        {"effects": [*BACK.effects, replace(TAKEN_BACK[1], at=22.6)]},
    ),
    "it was undone twice under two keys": (
        "I7",
        {
            "undos": [UNDOS[0], undo_of("t1", 2, recovery="same_key")],
            "effects": [
                EFFECT,
                *DONE,
                TAKEN_BACK[0],
                *(replace(TAKEN_BACK[1], key=key) for key in ("k1", "k2")),
            ],
        },
    ),
    "it is recorded as undone and never was": ("I7", {"effects": [EFFECT, *DONE, TAKEN_BACK[0]]}),
    "its undo is recorded as failed and happened": (
        "I7",
        {"undos": [UNDOS[0], undo_of("t1", 2, state="failed")]},
    ),
    "nobody knows the undo": ("I7", {"undos": UNDOS[:1]}),
    "two undos took it back": (
        "I7",
        {
            "undos": [*UNDOS, undo_of("t1", 3, id="u-again")],
            "effects": [*BACK.effects, replace(TAKEN_BACK[1], at=25.0, undo="u-again")],
        },
    ),
    "the call says that it is undone, and no undo does": (
        "I7",
        {"undos": [UNDOS[0], undo_of("t1", 2, state="cancelled")], "effects": BACK.effects[:-1]},
    ),
    "the plan was the wrong way round": ("I7", {"undos": [undo_of("t1", 1), undo_of("t2", 2)]}),
    "it was carried out the wrong way round": (
        "I7",
        {"effects": [EFFECT, *DONE, TAKEN_BACK[0], replace(TAKEN_BACK[1], at=21.1)]},
    ),
    "it was undone before its start": (
        "I7",
        {"effects": [EFFECT, *DONE, TAKEN_BACK[0], replace(TAKEN_BACK[1], at=21.9)]},
    ),
    "it was undone and nobody had approved the plan": (
        "I7",
        {"rollbacks": [but(ROLLBACK, approval_id="a9")]},
    ),
    "what does not come back was undone without an approval": (
        "I7",
        {"undos": [UNDOS[0], undo_of("t1", 2, effect="irreversible")]},
    ),
    "what was not done was taken back": ("I7", {"effects": [EFFECT, OTHER[1], *TAKEN_BACK]}),
    "it was undone after its time to be sent": (
        "I7",
        {"undos": [UNDOS[0], undo_of("t1", 2, send_before=21.0)]},
    ),
    "it was undone after a person attested that it was not": (
        "I7",
        {
            "undos": [
                UNDOS[0],
                undo_of("t1", 2, state="failed", attested_by="dana", finished_at=22.4),
            ]
        },
    ),
    "an acknowledged rollback is gone": (
        "I7",
        {"acks": [*BACK.acks, Ack(20.1, "rollback", "r1", digest="11", by="dana")]},
    ),
    "a rollback is stuck": ("I7", {"rollbacks": [but(ROLLBACK, state="queued", outcome=None)]}),
    "a rollback waits for nothing": (
        "I7",
        {"rollbacks": [but(ROLLBACK, state="waiting", outcome=None)]},
    ),
    "a rejected rollback was carried out": (
        "I7",
        {"rollbacks": [but(ROLLBACK, outcome="rejected")]},
    ),
    "a rollback is not as far as it says": (
        "I7",
        {"undos": [UNDOS[0], undo_of("t1", 2, state="in_doubt")]},
    ),
    "an undo in doubt for no reason": ("I9", {"audit": [*BACK.audit, UNDO_DOUBTED]}),
    "an approval of the plan came to nothing": (
        "I3",
        {
            "approvals": [
                APPROVAL,
                but(APPROVAL, id="a9", call_id=None, kind="rollback", state="cancelled"),
            ],
            "decisions": [DECISION, but(DECISION, approval_id="a9")],
            "acks": [*BACK.acks, replace(ACK, approval="a9")],
        },
    ),
}


@pytest.mark.parametrize("how", FORGED_BACK)
def test_a_forged_rollback_is_found_out(how: str) -> None:
    invariant, changes = FORGED_BACK[how]
    assert invariant in {found.invariant for found in check(replace(BACK, **changes))}
