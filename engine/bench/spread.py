"""Medians and their spread."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between its lower and upper quartile, out of `count` values."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """The median and the quartiles, in the unit of the values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("There is no median of nothing.")
    return Spread(
        median=statistics.median(values),
        low=percentile(values, 25),
        high=percentile(values, 75),
        count=len(values),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` of the values lie, between neighbours on a straight line."""
    ordered = sorted(values)
    at = (len(ordered) - 1) * percent / 100
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """One ratio per round, each between two measurements that were neighbours.

    Raises:
        ValueError: the two have not been measured the same number of times.
    """
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]
