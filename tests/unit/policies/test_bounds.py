"""The bounds of a grant: what they contain, what they may not say, and what they leave open."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interlock.policies.bounds import Bounds, exact_bounds
from interlock.policies.errors import PolicyError
from interlock.policies.evaluator import ToolShape

TOOL = ToolShape(
    "delete_volume",
    {
        "type": "object",
        "properties": {
            "volume_id": {"type": "string"},
            "size": {"type": "integer"},
            "force": {"type": "boolean"},
            "rate": {"type": "number"},
            "options": {"type": "object"},
        },
        "required": ["volume_id", "size"],
    },
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ARGS: dict[str, Any] = {"volume_id": "vol-1", "size": 3}


@pytest.mark.parametrize(
    ("condition", "contains"),
    [
        ('context.input.volume_id == "vol-1"', True),
        ('context.input.volume_id like "vol-*"', True),
        ("context.input.size < 3", False),
        ("context.input.size <= 3 // up to three", True),
        ("context.input has force && context.input.force", False),
        ("[1, 3].contains(context.input.size)", True),
    ],
)
def test_bounds_contain_what_fits_them(condition: str, *, contains: bool) -> None:
    assert Bounds(condition, TOOL).contain(ARGS) is contains


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"volume_id": "vol-1"},
        {**ARGS, "size": "3"},
        {**ARGS, "size": 2**63},
        {**ARGS, "volume_id": {"__entity": {"type": "User", "id": "root"}}},
        {**ARGS, "unknown": 1},
    ],
)
def test_arguments_that_cannot_be_read_are_not_contained(args: dict[str, Any]) -> None:
    assert not Bounds("context.input.size < 99", TOOL).contain(args)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("", "empty"),
        ("true", "look at no argument"),
        ("context.input has force", "look at no argument"),
        ('context.input.volume == "v"', "which no tool in its scope has"),
        ("context.input.size + 1 < 3", "arithmetic"),
        ("context.input.force", "optional attribute"),
        ('context.input.options == "x"', "cannot see"),
        ('context.effect == "read"', "and not at `context.effect`"),
        ("context.tainted.isEmpty() && context.input.size < 3", "and not at `context.tainted`"),
        ('principal.id == "ops" && context.input.size < 3', "and not at `principal.id`"),
        ("context.input.size < 3 } when { true", "several policies"),
        ("context.input.size < 3 } unless { false", "several policies"),
        ("context.input.size < 3 }; permit (principal, action, resource) when {true", "several"),
        ("context.input.size < 3 }; //", "unexpected"),
    ],
)
def test_a_condition_that_is_none_over_the_arguments_is_refused(condition: str, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        Bounds(condition, TOOL)


def test_what_the_bounds_say_nothing_of_is_named() -> None:
    bounds = Bounds("context.input.size < 3 && (context.input has rate || true)", TOOL)
    assert bounds.open == ("force", "options", "rate", "volume_id")


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "volume_id": st.text(st.characters(exclude_categories=["Cs"])),
            "size": st.integers(-9, 9),
        },
        optional={"force": st.booleans(), "rate": st.integers(-10, 10).map(lambda n: n / 4)},
    )
)
def test_exact_bounds_contain_their_call_and_no_other_value_of_it(args: dict[str, Any]) -> None:
    bounds = Bounds(exact_bounds(args, TOOL), TOOL)
    assert bounds.contain(args)
    assert not bounds.contain({**args, "volume_id": args["volume_id"] + "x"})
    assert not bounds.contain({**args, "size": args["size"] + 1})
