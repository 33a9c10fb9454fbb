"""How far a decision over several calls reaches: to identical ones of a run, where it may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, attack, attacks
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Rows

NO_FURTHER = Check(
    "decisions_beside_guard", "a decision reaches no further than to identical calls"
)
TYPED = Constraint("approvals", "typed_one_by_one")
SEEN_EXISTS = Constraint("decisions", "decisions_tenant_id_beside_fkey")

# How the second call, or its approval, is not as the first one
_OTHER_CALL: dict[str, Any] = {
    "tool": "list_volumes",
    "tool_version": "f" * 16,
    "args": b'{"volume_id":"vol-2"}',
    "effect": "reversible",
    "source": "inferred",
    "rule": "another",
    "evidence": '["volume_id holds something from list_volumes"]',
    "policy_digest": "b" * 64,
    "policies": ["another"],
    "fingerprint": b"{}",
}
_OTHER_APPROVAL: dict[str, Any] = {
    "together": False,
    "headline": "Delete volume vol-2",
    "reason": "another",
    "reviewers": ["on-call", "finance"],
    "quorum": 2,
    "each": '{"on-call": 1}',
    "escalation": '{"finance": 60}',
    "separation": ["editor"],
    "needs_reason": True,
    "preview": '{"Backups": 14}',
    "changes": "[]",
}


def two(rows: Rows, column: str = "", run_id: UUID | None = None) -> tuple[UUID, UUID]:
    """Two approvals that wait, of calls alike but for the second one's column."""
    rows.insert("policies", digest="b" * 64, text="forbid (principal, action, resource);")
    differs = {column: _OTHER_CALL[column]} if column in _OTHER_CALL else {}
    asked = {column: _OTHER_APPROVAL[column]} if column in _OTHER_APPROVAL else {}
    first = rows.held(run_id, asked={"together": True})
    second = rows.held(first.run_id, asked={"together": True, **asked}, **differs)
    assert first.approval_id is not None
    assert second.approval_id is not None
    return first.approval_id, second.approval_id


@attacks(dict.fromkeys((*_OTHER_CALL, *_OTHER_APPROVAL), (NO_FURTHER,)))
def a_decision_cannot_reach_a_call_that_differs(rows: Rows, column: str) -> Iterator[None]:
    first, second = two(rows, column)
    rows.decide(first, reason="seen")
    yield
    rows.decide(second, reason="seen", beside=first)


@attacks(dict.fromkeys(("together", "changes"), (NO_FURTHER,)))
def a_decision_cannot_reach_from_a_call_that_differs(rows: Rows, column: str) -> Iterator[None]:
    first, second = two(rows, column)
    rows.decide(second, reason="seen")
    yield
    rows.decide(first, reason="seen", beside=second)


@attack(NO_FURTHER)
def a_decision_cannot_reach_another_run(rows: Rows) -> Iterator[None]:
    first = rows.held(asked={"together": True})
    second = rows.held(asked={"together": True})
    assert first.approval_id is not None
    assert second.approval_id is not None
    rows.decide(first.approval_id)
    yield
    rows.decide(second.approval_id, beside=first.approval_id)


@attacks({"from": (NO_FURTHER,), "to": (NO_FURTHER,)})
def a_decision_cannot_reach_an_edited_call(rows: Rows, way: str) -> Iterator[None]:
    before = rows.held()
    assert before.approval_id is not None
    rows.decide(before.approval_id, "dana", "edit")
    rows.step(before, "superseded")
    asked = {"together": True}
    edited = rows.held(before.run_id, key=before.key, revision=2, asked=asked)
    other = rows.held(before.run_id, asked=asked)
    first, second = (edited, other) if way == "from" else (other, edited)
    assert first.approval_id is not None
    assert second.approval_id is not None
    rows.decide(first.approval_id)
    yield
    rows.decide(second.approval_id, beside=first.approval_id)


@attacks({"from": (NO_FURTHER,), "to": (NO_FURTHER,)})
def a_decision_cannot_reach_a_doubt_about_a_call(rows: Rows, way: str) -> Iterator[None]:
    run_id = rows.run("running")
    doubt = rows.ask(
        rows.call("in_doubt", run_id=run_id), id=uuid7(), kind="in_doubt", together=True
    )
    other = rows.held(run_id, asked={"together": True})
    assert other.approval_id is not None
    first, second = (doubt, other.approval_id) if way == "from" else (other.approval_id, doubt)
    rows.decide(first, kind="reject")
    yield
    rows.decide(second, kind="reject", beside=first)


@attack(NO_FURTHER)
def a_decision_cannot_be_given_on_sight_of_itself(rows: Rows) -> Iterator[None]:
    first, _ = two(rows)
    yield
    rows.decide(first, beside=first)


@attacks(
    {
        "of nobody": (NO_FURTHER,),
        "of somebody else": (NO_FURTHER,),
        "of another kind": (NO_FURTHER,),
    }
)
def a_decision_cannot_be_given_on_sight_of_a_call_without_its_own(
    rows: Rows, decision: str
) -> Iterator[None]:
    first, second = two(rows)
    if decision == "of somebody else":
        rows.decide(first, "erik")
    if decision == "of another kind":
        rows.decide(first, kind="reject")
    yield
    rows.decide(second, beside=first)


@attack(NO_FURTHER)
def an_edit_cannot_be_of_several_calls(rows: Rows) -> Iterator[None]:
    first, second = two(rows)
    rows.decide(first, kind="edit")
    yield
    rows.decide(second, kind="edit", beside=first)


@attack(SEEN_EXISTS)
def a_decision_cannot_be_given_on_sight_of_nothing(rows: Rows) -> Iterator[None]:
    first, _ = two(rows)
    rows.without(NO_FURTHER)
    yield
    rows.decide(first, beside=uuid7())


@attack(TYPED)
def what_is_typed_cannot_be_decided_together(rows: Rows) -> Iterator[None]:
    yield
    rows.held(asked={"together": True, "confirm": "vol-1"})
