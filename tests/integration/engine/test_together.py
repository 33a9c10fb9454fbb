"""Identical calls of one run that are decided together, each with a decision of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock import Agent, Limits, tool
from interlock.engine.answer import Seen
from interlock.engine.errors import AlreadyDecided, InvalidDecision, StaleDigest
from interlock.engine.lifecycle import ApprovalState
from interlock.engine.queries import get_approval

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask, scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conftest import Lab

TERMS = '@reviewers("on-call") @together("identical")'
SAME = ("v7", "v7", "v7")


def wiper(lab: Lab, terms: str, volumes: Sequence[str], preview: Any = None) -> Agent:
    """An agent that asks to wipe these volumes, all at once."""

    @tool(effect="irreversible", headline=lambda volume: f"Wipe {volume}", preview=preview)
    def wipe(volume: str) -> str:
        """Wipe a volume."""
        lab.effects.append(volume)
        return f"wiped {volume}"

    policy = (
        f'@id("ask") @outcome("review") {terms} @reason("A person decides.")\n'
        "permit (principal, action, resource);"
    )
    turn = [ask("wipe", {"volume": volume}, f"c{n}") for n, volume in enumerate(volumes)]
    limits = Limits(repeats=10)
    return Agent("a", graph=scripted([wipe], turn), tools=[wipe], policy=policy, limits=limits)


def held(
    lab: Lab, terms: str = TERMS, volumes: Sequence[str] = SAME, **more: Any
) -> list[dict[str, Any]]:
    """The approvals of a new run's calls."""
    agent = wiper(lab, terms, volumes, **more)
    lab.work(agent)
    return lab.pending(lab.start(agent, {"messages": []}), len(volumes))


def seen(*approvals: dict[str, Any]) -> tuple[Seen, ...]:
    """Approvals as a client names them."""
    return tuple(Seen(each["id"], bytes(each["digest"]).hex()) for each in approvals)


def alike(lab: Lab, approval: dict[str, Any]) -> tuple[Seen, ...]:
    """What is offered beside an approval."""
    with lab.database.begin() as conn:
        detail = get_approval(conn, tenant="default", approval_id=approval["id"])
    return detail.approval.alike


def decisions(lab: Lab) -> list[dict[str, Any]]:
    """Every decision there is, in the order of their approvals."""
    return lab.rows("select approval_id, kind, digest, beside from decisions order by approval_id")


def test_identical_calls_are_approved_with_one_answer_and_a_decision_each(lab: Lab) -> None:
    first, *others = held(lab)
    assert alike(lab, first) == seen(*others)
    decided = lab.decide(first, also=seen(*others))
    assert [each.state for each in decided.also] == [ApprovalState.APPROVED] * 2
    assert decided.left == ()
    lab.ended(first["run_id"])
    assert lab.effects == ["v7", "v7", "v7"]
    recorded = decisions(lab)
    assert [bytes(each["digest"]) for each in recorded] == [
        bytes(a["digest"]) for a in (first, *others)
    ]
    assert [each["beside"] for each in recorded] == [None, first["id"], first["id"]]
    assert lab.one("select count(*) from audit_log where event = 'decision.recorded'") == 3


@pytest.mark.parametrize(
    ("terms", "volumes"),
    [('@reviewers("on-call")', SAME), (TERMS, ("v7", "v8", "v9"))],
    ids=["not allowed by the policy", "not identical"],
)
def test_other_calls_are_not_offered_and_not_taken(
    lab: Lab, terms: str, volumes: Sequence[str]
) -> None:
    first, *others = held(lab, terms, volumes)
    assert alike(lab, first) == ()
    with pytest.raises(InvalidDecision, match="is not of an identical call"):
        lab.decide(first, also=seen(*others))
    assert decisions(lab) == []


def test_calls_whose_measured_target_differs_are_not_identical(lab: Lab) -> None:
    rising = iter(range(100))
    first, second = held(lab, volumes=("v7", "v7"), preview=lambda volume: {volume: next(rising)})
    assert alike(lab, first) == ()
    with pytest.raises(InvalidDecision, match="is not of an identical call"):
        lab.decide(first, also=seen(second))


def test_one_that_was_decided_meanwhile_is_left_as_it_is(lab: Lab) -> None:
    first, second, third = held(lab)
    lab.decide(third, "reject", reason="Not this one.")
    decided = lab.decide(first, also=seen(second, third))
    assert [each.approval_id for each in decided.also] == [second["id"]]
    ((left),) = decided.left
    assert left.approval_id == third["id"]
    assert "already rejected by dana" in left.why
    lab.ended(first["run_id"])
    assert lab.effects == ["v7", "v7"]


def test_one_that_was_edited_meanwhile_is_left_and_its_new_revision_waits(lab: Lab) -> None:
    first, second = held(lab, volumes=("v7", "v7"))
    lab.decide(second, "edit", args={"volume": "v8"})
    (again,) = (each for each in lab.pending(first["run_id"], 2) if each["id"] != first["id"])
    decided = lab.decide(first, also=seen(second))
    assert [left.approval_id for left in decided.left] == [second["id"]]
    with pytest.raises(InvalidDecision, match="is not of an identical call"):
        lab.decide(first, also=seen(again))
    assert lab.one("select state from approvals where id = %s", again["id"]) == "pending"


def test_nothing_is_recorded_if_one_is_not_the_call_that_was_seen(lab: Lab) -> None:
    first, second, third = held(lab)
    wrong = Seen(third["id"], "0" * 64)
    with pytest.raises(StaleDigest):
        lab.decide(first, also=(*seen(second), wrong))
    assert decisions(lab) == []


def test_nothing_is_recorded_if_the_call_on_the_page_is_closed(lab: Lab) -> None:
    first, second, _ = held(lab)
    lab.decide(first, "reject", reason="No.")
    with pytest.raises(AlreadyDecided):
        lab.decide(first, also=seen(second))
    assert [each["kind"] for each in decisions(lab)] == ["reject"]


def test_only_approvals_and_rejections_are_of_several_calls(lab: Lab) -> None:
    first, second, _ = held(lab)
    with pytest.raises(InvalidDecision, match="approved or rejected together, but this is edit"):
        lab.decide(first, "edit", args={"volume": "v8"}, also=seen(second))
    assert decisions(lab) == []


def test_the_same_answer_again_returns_what_stands(lab: Lab) -> None:
    first, *others = held(lab, '@reviewers("on-call") @quorum("2") @together("identical")')
    before = lab.decide(first, also=seen(*others))
    assert {each.state for each in (before, *before.also)} == {ApprovalState.PENDING}
    assert lab.decide(first, also=seen(*others)) == before
    assert len(decisions(lab)) == 3


def test_calls_that_are_rejected_together_are_one_rejection_of_three(lab: Lab) -> None:
    first, *others = held(lab)
    lab.decide(first, "reject", reason="Keep it.", also=seen(*others))
    assert lab.ended(first["run_id"])["exit"] == "completed"
    assert lab.effects == []
