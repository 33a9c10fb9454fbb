"""How well a stage's confidence fits what became of it, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.calibration import JUDGED, NOT_JUDGED
from . import words

if TYPE_CHECKING:
    from ..engine.calibration import Bin, Share, StageCalibration
    from .words import Badge

PERIODS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "A year"}


@dataclass(frozen=True, slots=True)
class BinLine:
    """One row: from which confidence on, what became of it, and what a threshold there would do."""

    confidence: str
    outcomes: tuple[tuple[int, Badge], ...]
    approved: str
    between: str
    threshold: str
    asks: str
    lets_pass: str
    lets_pass_between: str


@dataclass(frozen=True, slots=True)
class StageTable:
    """One stage's table."""

    id: str
    agent: str
    stage: str
    known: str
    rows: tuple[BinLine, ...]


def stage(found: StageCalibration) -> StageTable:
    """One stage, its surest bin first; bins in which nothing was stated are left out."""
    rows = [_line(each) for each in reversed(found.bins) if any(each.counts.values())]
    return StageTable(
        id=f"h-{found.agent}-{found.stage}",
        agent=found.agent,
        stage=found.stage,
        known=f"{words.plural(found.cases, 'case')}, something is known of {found.judged:,}",
        rows=tuple(rows),
    )


def _line(found: Bin) -> BinLine:
    outcomes = [(found.counts[name], words.OUTCOMES[name]) for name in (*JUDGED, *NOT_JUDGED)]
    return BinLine(
        confidence=f"{found.low:g} to {found.high:g}",
        outcomes=tuple(pair for pair in outcomes if pair[0]),
        approved=_share(found.approved),
        between=_between(found.approved),
        threshold=f"{found.low:g}",
        asks=f"{found.asks.hits:,} of {found.asks.cases:,}",
        lets_pass=_share(found.lets_pass),
        lets_pass_between=_between(found.lets_pass),
    )


def _share(share: Share) -> str:
    return f"{share.hits:,} of {share.cases:,}" if share.cases else "Not known"


def _between(share: Share) -> str:
    """The interval in words; nothing where nothing is known."""
    low, high = share.interval
    return f"{low:.0%} to {high:.0%}" if share.cases else ""
