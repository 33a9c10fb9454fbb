"""Medians, quartiles and ratios."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.bench.spread import Spread, percentile, ratios, spread

VALUES = st.lists(st.floats(0.001, 1e6), min_size=1)


def test_a_spread_is_the_median_between_the_quartiles() -> None:
    assert spread([5, 1, 3, 2, 4]) == Spread(median=3, low=2, high=4, count=5)
    assert spread([1, 2]) == Spread(median=1.5, low=1.25, high=1.75, count=2)


def test_one_value_is_its_own_spread() -> None:
    assert spread([7]) == Spread(7, 7, 7, 1)


def test_there_is_no_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="no median of nothing"):
        spread([])


@given(VALUES)
def test_the_median_is_never_outside_its_quartiles(values: list[float]) -> None:
    found = spread(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)


@given(VALUES, st.floats(0, 100))
def test_a_percentile_does_not_depend_on_the_order(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == percentile(values[::-1], percent)


def test_percentiles_lie_on_a_straight_line_between_neighbours() -> None:
    assert [percentile([10, 20], percent) for percent in (0, 25, 99, 100)] == [10, 12.5, 19.9, 20]


def test_ratios_are_taken_round_by_round() -> None:
    # both twice as slow in the second round: the ratio holds
    assert ratios([20, 10], [10, 5]) == [2, 2]


def test_rounds_that_one_of_two_has_not_measured_are_not_hidden() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])
