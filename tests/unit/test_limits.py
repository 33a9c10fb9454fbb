"""A run's hard caps: what fits, what does not, and which figures are no caps at all."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.errors import UsageError
from interlock.engine.limits import LimitReached, Limits, Usage, next_call, next_held

LIMITS = Limits(steps=5, calls=4, seconds=3, repeats=2)
NOTHING = Usage(steps=0, calls=0, irreversible=0, active_ms=0)
NAMES = [field.name for field in fields(Limits)]


def left(**used: int) -> LimitReached | None:
    usage = Usage(0, used.get("calls", 0), 0, used.get("active_ms", 0))
    return next_call(LIMITS, usage, "delete_volume", used.get("repeats", 0))


def test_the_caps_without_a_word_are_these() -> None:
    assert Limits().as_json() == {
        "steps": 25,
        "calls": 50,
        "irreversible": 10,
        "seconds": 300,
        "wall_seconds": 30 * 24 * 3600,
        "repeats": 3,
        "pending": 10,
        "tokens_in": 1_000_000,
        "tokens_out": 100_000,
        "cost_usd": 1.0,
    }


def test_a_first_call_fits() -> None:
    assert next_call(LIMITS, NOTHING, "delete_volume", 0) is None


@pytest.mark.parametrize(
    ("used", "limit", "allowed"),
    [
        ({"calls": 3}, None, None),
        ({"calls": 4}, "calls", 4),
        ({"calls": 5}, "calls", 4),
        ({"repeats": 1}, None, None),
        ({"repeats": 2}, "repeats", 2),
        ({"repeats": 3}, "repeats", 2),
        ({"active_ms": 2999}, None, None),
        ({"active_ms": 3000}, "seconds", 3),
        ({"active_ms": 3001}, "seconds", 3),
    ],
    ids=str,
)
def test_the_last_unit_fits_and_the_one_after_it_does_not(
    used: dict[str, int], limit: str | None, allowed: int | None
) -> None:
    reached = left(**used)
    assert (reached and reached.limit, reached and reached.allowed) == (limit, allowed)


@given(st.integers(1, 60), st.integers(0, 70))
def test_exactly_as_many_calls_fit_as_are_allowed(allowed: int, used: int) -> None:
    limits = Limits(calls=allowed)
    fits = next_call(limits, Usage(0, used, 0, 0), "delete_volume", 0) is None
    assert fits is (used < allowed)


@pytest.mark.parametrize(
    ("used", "cap"),
    [
        ({"calls": 4}, "4 calls"),
        ({"repeats": 2}, "2 repetitions of the same call"),
        ({"active_ms": 3000}, "3 active seconds"),
    ],
    ids=["calls", "repeats", "seconds"],
)
def test_a_reached_limit_is_told_in_a_sentence(used: dict[str, int], cap: str) -> None:
    sentence = f"The run reached its limit of {cap}; the next call of delete_volume did not run."
    assert str(left(**used)) == sentence


@given(
    allowed=st.integers(1, 9),
    used=st.integers(0, 9),
    pending=st.integers(0, 9),
    irreversible=st.booleans(),
)
def test_exactly_as_many_calls_are_put_to_a_person_as_are_allowed(
    *, allowed: int, used: int, pending: int, irreversible: bool
) -> None:
    limits = Limits(irreversible=allowed, pending=allowed)
    usage = Usage(0, 0, used, 0)
    reached = next_held(limits, usage, "delete_volume", pending, irreversible=irreversible)
    fits = pending < allowed and (not irreversible or used < allowed)
    assert (reached is None) is fits
    if reached and irreversible and used >= allowed:
        assert str(reached) == (
            f"The run reached its limit of {allowed} irreversible calls; "
            "nobody was asked about the next call of delete_volume."
        )


def test_a_year_is_as_long_as_a_run_can_be_there() -> None:
    assert Limits(wall_seconds=366 * 24 * 3600).wall_seconds == 366 * 24 * 3600
    with pytest.raises(UsageError, match="366 days"):
        Limits(wall_seconds=366 * 24 * 3600 + 1)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cost_usd"])
@pytest.mark.parametrize(
    "value", [0, -1, 1.0, 2.5, "3", None, True, float("inf"), float("nan")], ids=repr
)
def test_a_cap_that_is_no_whole_number_from_one_up_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"The limit '{name}' is a whole number from 1 up, not "):
        Limits(**{name: value})


@pytest.mark.parametrize(
    "value",
    [0, -1, 1e-7, 0.1234567, 1_000_001, "3", None, True, float("inf"), float("nan")],
    ids=repr,
)
def test_a_cap_that_is_no_amount_of_money_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="The limit 'cost_usd' is an amount of USD above 0"):
        Limits(cost_usd=value)


@pytest.mark.parametrize(
    ("limit", "allowed", "least", "proposed"),
    [
        ("cost_usd", 0.12, 0.0, 0.24),
        ("cost_usd", 0.12, 0.311, 0.32),
        ("cost_usd", 900_000.0, 0.0, 1_000_000),
        ("tokens_out", 100, 90.0, 200),
        ("tokens_out", 100, 4_196.0, 4_196),
    ],
)
def test_what_is_proposed_has_room_for_the_call_that_had_none(
    limit: str, allowed: float, least: float, proposed: float
) -> None:
    assert Limits.doubled(limit, allowed, least) == proposed


@pytest.mark.parametrize(("asked", "is_lower"), [(0.11, True), (0.12, True), (0.13, False)])
def test_a_run_can_only_lower_what_it_may_cost(asked: float, *, is_lower: bool) -> None:
    limits = Limits(cost_usd=0.12)
    if is_lower:
        assert limits.lowered({"cost_usd": asked}).cost_usd == asked
    else:
        with pytest.raises(UsageError, match="can only lower it"):
            limits.lowered({"cost_usd": asked})


@pytest.mark.parametrize("name", NAMES)
def test_one_is_the_smallest_cap(name: str) -> None:
    assert Limits(**{name: 1}).as_json()[name] == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_cap_cannot_be_moved_afterwards(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(LIMITS, name, 1000)
