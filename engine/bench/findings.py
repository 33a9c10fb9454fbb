"""What a check has to say: a sentence for each ratio that fell and each target that is not met."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .figures import Better
from .guard import Moved
from .report import cell, number
from .targets import Met

if TYPE_CHECKING:
    from .guard import Comparison
    from .report import Report
    from .targets import Verdict


def findings(report: Report) -> list[str]:
    """Sentences; none if nothing fell and every target that was looked at is met."""
    moved = [one for one in report.compared if one.moved in (Moved.WORSE, Moved.NOT_MEASURED)]
    missed = [one for one in report.verdicts if one.met in (Met.FAILED, Met.NOT_MEASURED)]
    return [*map(_moved, moved), *map(_missed, missed)]


def _moved(one: Comparison) -> str:
    if one.value is None or one.change is None:
        return f"{one.key} was {number(one.kept.value)} and was not measured now."
    way = "fell" if one.kept.better is Better.MORE else "rose"
    return (
        f"{one.key} {way} from {number(one.kept.value)} to {number(one.value)}, "
        f"by {abs(one.change):.0%}; {one.kept.tolerance:.0%} is tolerated."
    )


def _missed(verdict: Verdict) -> str:
    what, bound = verdict.target.what, verdict.target.bound()
    if verdict.figure is None or verdict.met is Met.NOT_MEASURED:
        why = verdict.figure.note if verdict.figure else "it is not among the figures"
        return f"Not measured: {what} ({bound}): {why}."
    return f"Not met: {what}: {cell(verdict.figure)}, {bound}."
