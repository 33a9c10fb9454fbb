"""A rule sees who said what, and never how sure they were."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from interlock import Assessment, aggregate
from interlock.engine.patterns import (
    Agreed,
    Disagreed,
    Refused,
    majority,
    unanimous,
    veto,
    weighted,
)

RULES = {
    "unanimous": "unanimous",
    "majority": "majority",
    "quorum": majority(quorum=3),
    "weighted": weighted({"a": 3, "b": 1, "c": 1}),
    "veto": veto("c"),
    "function": lambda votes: max(votes.values()),
}


def opinions(values: str, confidences: tuple[float, ...] = (0.5, 0.5, 0.5)) -> dict[str, Any]:
    """What a, b and c say; `-` refuses."""
    said = zip("abc", values, confidences, strict=True)
    return {
        name: Refused("no") if value == "-" else Assessment(value, sure)
        for name, value, sure in said
    }


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("values", ["xxx", "xxy", "xyx", "xyz", "yxx", "x-x", "xy-", "---"])
def test_confidence_decides_nothing(rule: str, values: str) -> None:
    found = {
        repr(aggregate(opinions(values, sure), RULES[rule]))
        for sure in itertools.product((0.0, 0.3, 0.99, 1.0), repeat=3)
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("rule", "values", "wins"),
    [
        ("unanimous", "xxx", "x"),
        ("unanimous", "xxy", None),
        ("unanimous", "xx-", None),
        ("majority", "xxy", "x"),
        ("majority", "xx-", "x"),
        ("majority", "xyz", None),
        ("majority", "x--", None),
        ("quorum", "xxy", "x"),
        ("quorum", "xx-", None),
        ("weighted", "xyy", "x"),
        ("weighted", "-yy", None),
        ("veto", "xxx", "x"),
        ("veto", "xxy", None),
        ("veto", "xx-", None),
        ("veto", "yxx", "x"),
        ("function", "xyz", "z"),
        ("majority", "---", None),
    ],
)
def test_rules(rule: str, values: str, wins: str | None) -> None:
    found = aggregate(opinions(values), RULES[rule])
    assert (found.value if isinstance(found, Agreed) else None) == wins


def test_a_tie_is_a_conflict_however_many_there_are() -> None:
    said = {name: Assessment("xy"[n % 2], 1 - n / 10) for n, name in enumerate("abcd")}
    assert isinstance(aggregate(said, "majority"), Disagreed)
    assert isinstance(aggregate(said, weighted(dict.fromkeys("abcd", 1))), Disagreed)


def test_the_same_value_written_otherwise_is_the_same() -> None:
    said = {"a": Assessment({"x": 1, "y": 2}, 1), "b": Assessment({"y": 2, "x": 1}, 1)}
    assert aggregate(said) == Agreed({"x": 1, "y": 2}, ("a", "b"))


def test_a_function_that_fails_or_finds_nothing_leaves_it_to_a_person() -> None:
    def fails(_: Any) -> Any:
        raise KeyError("x")

    assert aggregate(opinions("xxx"), fails) == Disagreed("The rule failed: KeyError.")
    assert isinstance(aggregate(opinions("xxx"), lambda _: None), Disagreed)


def test_a_rule_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="unanimous, majority"):
        aggregate(opinions("xxx"), "most_confident")
    with pytest.raises(ValueError, match="0 or more"):
        weighted({"a": -1})
    with pytest.raises(KeyError):
        aggregate(opinions("xxx"), weighted({"a": 1}))


def test_one_vote_of_one_is_unanimous() -> None:
    assert aggregate({"a": Assessment(1, 0.1)}, unanimous()) == Agreed(1, ("a",))
