"""What a bench reports: named figures, each a median with its spread."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from .spread import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

RATIO = "x"
"""The unit of a ratio."""


class Better(StrEnum):
    """Which way a figure should move."""

    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the report.

    Attributes:
        key: its name for targets and the guard; begins with its section's.
        table: the table that it is in, with the unit in words.
        row: what was measured.
        column: whose it is.
        unit: of value, low and high; `RATIO` for a ratio.
        value: the median, None if it was not measured; then `note` says why.
        low: the lower quartile.
        high: the upper quartile.
        count: how many values the median is of.
    """

    key: str
    table: str
    row: str
    column: str
    unit: str
    better: Better = Better.LESS
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = 0
    note: str = ""

    def of(self, values: Sequence[float]) -> Self:
        """The figure with the median of the values."""
        found = spread(values)
        return replace(self, value=found.median, low=found.low, high=found.high, count=found.count)

    def without(self, why: str) -> Self:
        """The figure that was not measured."""
        return replace(self, note=why)

    @property
    def section(self) -> str:
        """The section that measured it."""
        return self.key.partition("/")[0]

    def as_json(self) -> dict[str, Any]:
        """The figure by its attributes' names."""
        return asdict(self)
