"""The life cycles as data, and the diagrams that are drawn from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from interlock.engine import lifecycle
from interlock.engine.errors import IllegalTransition, InterlockError
from interlock.engine.lifecycle import ApprovalState, CallState, RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

DOCUMENT = Path(__file__).parents[2] / "docs" / "lifecycles.md"
TABLES: dict[str, Mapping[Any, frozenset[Any]]] = {
    "CallState": lifecycle.CALL,
    "ApprovalState": lifecycle.APPROVAL,
    "RunStatus": lifecycle.RUN,
}
HEADINGS = {"CallState": "Calls", "ApprovalState": "Approvals", "RunStatus": "Runs"}
PAIRS = [
    pytest.param(old, new, new in steps[old], id=f"{name}: {old} to {new}")
    for name, steps in TABLES.items()
    for old in steps
    for new in steps
]


@pytest.mark.parametrize(("old", "new", "legal"), PAIRS)
def test_a_step_is_legal_if_the_table_has_it_and_else_an_error_with_both_names(
    old: StrEnum,
    new: StrEnum,
    legal: bool,  # noqa: FBT001
) -> None:
    if legal:
        lifecycle.check(old, new)
        return
    with pytest.raises(IllegalTransition) as refused:
        lifecycle.check(old, new)
    kind = type(old).__name__
    assert str(refused.value) == f"{kind}: there is no step from '{old}' to '{new}'."
    assert isinstance(refused.value, InterlockError)


@pytest.mark.parametrize("name", TABLES)
def test_an_illegal_step_changes_nothing(name: str) -> None:
    before = {old: set(onward) for old, onward in TABLES[name].items()}
    first = next(iter(TABLES[name]))
    with pytest.raises(IllegalTransition):
        lifecycle.check(first, first)
    assert {old: set(onward) for old, onward in TABLES[name].items()} == before


@pytest.mark.parametrize("states", [CallState, ApprovalState, RunStatus])
def test_each_state_has_an_entry_and_can_be_reached(states: type[StrEnum]) -> None:
    steps = TABLES[states.__name__]
    assert set(steps) == set(states)
    reached, ahead = set(), [next(iter(steps))]
    while ahead:
        state = ahead.pop()
        if state not in reached:
            reached.add(state)
            ahead.extend(steps[state])
    assert reached == set(states)


def test_nothing_leads_out_of_a_final_state_and_an_end_is_always_in_reach() -> None:
    for steps in TABLES.values():
        # a raised limit leads out of the end of a run, and back to it
        final = {state for state, onward in steps.items() if not onward} | {RunStatus.ENDED}
        for state in steps:
            reached, ahead = set(), [state]
            while ahead:
                here = ahead.pop()
                if here not in reached:
                    reached.add(here)
                    ahead.extend(steps[here])
            assert reached & final, f"{state} never ends"
    assert {s for s, onward in lifecycle.CALL.items() if not onward} == lifecycle.CALL_FINAL


def test_a_call_is_started_before_it_can_have_an_outcome() -> None:
    before = set(CallState) - lifecycle.CALL_STARTED
    doors = {(old, new) for old in before for new in lifecycle.CALL[old] - before}
    assert doors == {
        (CallState.ALLOWED, CallState.EXECUTING),
        (CallState.APPROVED, CallState.EXECUTING),
    }


def test_a_started_call_never_becomes_one_that_was_not() -> None:
    for state in lifecycle.CALL_STARTED:
        assert lifecycle.CALL[state] <= lifecycle.CALL_STARTED


def test_a_call_that_waits_starts_only_after_it_was_approved() -> None:
    reached, ahead = set(), [CallState.WAITING]
    while ahead:
        state = ahead.pop()
        if state not in reached and state is not CallState.APPROVED:
            reached.add(state)
            ahead.extend(lifecycle.CALL[state])
    assert not reached & lifecycle.CALL_STARTED


def diagram(steps: Mapping[Any, frozenset[Any]]) -> str:
    """The state diagram of a life cycle, in Mermaid's language."""
    lines = ["stateDiagram-v2", f"    [*] --> {next(iter(steps))}"]
    for old, onward in steps.items():
        lines += [f"    {old} --> {new}" for new in sorted(onward)]
        lines += [] if onward else [f"    {old} --> [*]"]
    return "\n".join(lines)


@pytest.mark.parametrize("name", TABLES)
def test_the_diagram_in_the_docs_is_the_one_of_the_table(name: str) -> None:
    section = DOCUMENT.read_text("utf-8").split(f"\n## {HEADINGS[name]}\n")[1].split("\n## ")[0]
    drawn = re.findall(r"```mermaid\n(.*?)\n```", section, re.DOTALL)
    assert drawn == [diagram(TABLES[name])]


@pytest.mark.parametrize("name", TABLES)
def test_the_docs_say_what_each_state_means(name: str) -> None:
    section = DOCUMENT.read_text("utf-8").split(f"\n## {HEADINGS[name]}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| \S.* \|$", section, re.MULTILINE)
    assert rows == [str(state) for state in TABLES[name]]
