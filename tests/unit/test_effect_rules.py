"""A rule for an effect fails closed: what it does not say clearly counts as irreversible."""

from __future__ import annotations

from typing import Any

import pytest
from interlock import tool
from interlock.tools import Effect


def classified(answer: Any, **declared: Any) -> tuple[str, str, str]:
    """Effect, source and rule of a call by a rule that does this."""

    def rule(_: Any) -> Any:
        return answer() if callable(answer) else answer

    @tool(effect=rule, **declared)
    def move(what: str) -> str:
        """Move something."""
        return what

    found = move.spec.classify({"what": "it"})
    return str(found.effect), str(found.source), found.rule


def broken() -> Any:
    raise KeyError("what")


@pytest.mark.parametrize(
    "answer", [broken, None, "read", True], ids=["raises", "None", "a word", "True"]
)
def test_a_rule_that_fails_or_says_no_effect_says_irreversible(answer: Any) -> None:
    assert classified(answer) == ("irreversible", "default", "rule-failed")


def test_a_rule_cannot_make_reversible_what_nothing_undoes() -> None:
    assert classified(Effect.REVERSIBLE) == ("irreversible", "default", "no-undo")
    undone = classified(Effect.REVERSIBLE, undo=lambda *_: None)
    assert undone == ("reversible", "declared", "rule")
