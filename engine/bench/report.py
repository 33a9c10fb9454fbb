"""The report: everything as JSON, and the same for people as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .figures import RATIO
from .guard import Moved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .figures import Figure
    from .guard import Comparison
    from .machine import Machine
    from .targets import Verdict

NOTHING = ""
ABOUT = (
    "Each cell is a median with its quartiles. A ratio is taken in each round, between neighbours;"
    " the median of the ratios is given."
)
DIGITS = ((100, 0), (10, 1), (0, 2))
"""From which size on how many digits after the point."""


@dataclass(frozen=True, slots=True)
class Report:
    """One bench.

    Attributes:
        conditions: how it was measured, by name.
        compared: ratios beside those that were kept; empty without a check.
    """

    machine: Machine
    versions: Mapping[str, str]
    conditions: Mapping[str, Any]
    figures: Sequence[Figure]
    verdicts: Sequence[Verdict]
    compared: Sequence[Comparison] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "machine": self.machine.as_json(),
            "versions": dict(self.versions),
            "conditions": dict(self.conditions),
            "figures": [figure.as_json() for figure in self.figures],
            "targets": [verdict.as_json() for verdict in self.verdicts],
            "check": [comparison.as_json() for comparison in self.compared],
        }

    def as_markdown(self) -> str:
        """All of it but the keys."""
        facts = {**self.machine.as_json(), **self.versions, **self.conditions}
        parts = [
            "# Interlock's bench",
            ABOUT,
            _section("Targets", _target_table(self.verdicts)),
            _section("Against the ratios that are kept", _check_table(self.compared)),
            *(_section(title, table) for title, table in _tables(self.figures)),
            _section("Measured on", table_of(["What", ""], [[*fact] for fact in facts.items()])),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, table: str) -> str:
    return f"## {title}\n\n{table}" if table else NOTHING


def _target_table(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return NOTHING
    rows = [
        [
            verdict.target.what,
            verdict.target.bound(),
            cell(verdict.figure) if verdict.figure else NOTHING,
            str(verdict.met),
        ]
        for verdict in verdicts
    ]
    return table_of(["Target", "Bound", "Measured", ""], rows)


def _check_table(compared: Sequence[Comparison]) -> str:
    moved = [one for one in compared if one.moved is not Moved.HELD]
    if not compared:
        return NOTHING
    if not moved:
        return f"All {len(compared)} ratios held."
    return table_of(["Ratio", "Was", "Is", "Change", ""], [comparison_row(one) for one in moved])


def comparison_row(one: Comparison) -> list[str]:
    """What moved, from where to where, and by how much of what is tolerated."""
    tolerance = f"of {one.kept.tolerance:.0%} tolerated"
    change = NOTHING if one.change is None else f"{one.change:+.0%} {tolerance}"
    now = NOTHING if one.value is None else number(one.value)
    return [one.key, number(one.kept.value), now, change, str(one.moved)]


def _tables(figures: Iterable[Figure]) -> Iterable[tuple[str, str]]:
    by_table: dict[str, list[Figure]] = {}
    for figure in figures:
        by_table.setdefault(figure.table, []).append(figure)
    for title, cells in by_table.items():
        columns = list(dict.fromkeys(figure.column for figure in cells))
        rows: dict[str, dict[str, str]] = {}
        for figure in cells:
            rows.setdefault(figure.row, {})[figure.column] = cell(figure)
        lines = [
            [row, *(found.get(name, NOTHING) for name in columns)] for row, found in rows.items()
        ]
        yield title, table_of(["", *columns], lines)


def table_of(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        f"| {' | '.join(str(value).replace('|', '/') for value in line)} |" for line in lines
    )


def cell(figure: Figure) -> str:
    """A median with its quartiles, or why there is none."""
    if figure.value is None:
        return figure.note
    unit = " x" if figure.unit == RATIO else NOTHING
    if figure.low is None or figure.high is None or figure.count == 1:
        return f"{number(figure.value)}{unit}"
    return f"{number(figure.value)}{unit} ({number(figure.low)} to {number(figure.high)})"


def number(value: float) -> str:
    """Three digits that count; no exponent."""
    digits = next(digits for size, digits in DIGITS if abs(value) >= size)
    return f"{value:,.{digits}f}"
