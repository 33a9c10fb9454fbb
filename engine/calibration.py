"""How well what stages are sure of fits what became of it: what a threshold can be set from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from math import sqrt
from typing import TYPE_CHECKING, Any, Final

from .database import execute
from .run_queries import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection, Row

EDGES: Final = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Where bins of confidence begin; finer where models state most."""
JUDGED: Final = ("approved", "rejected", "undone", "wrong")
"""Outcomes that say something of what was stated."""
NOT_JUDGED: Final = ("unused", "open")
LOOK_BACK: Final = timedelta(days=90)
_Z: Final = 1.959964
"""Of 95%."""


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `cases`, and between which shares the true one lies with 95%.

    The interval is Wilson's (1927), which holds for few cases and for none or all of them.
    """

    hits: int
    cases: int

    @property
    def rate(self) -> float | None:
        """The share itself; None of nothing."""
        return self.hits / self.cases if self.cases else None

    @property
    def interval(self) -> tuple[float, float]:
        """From and to; everything is possible of nothing."""
        if not self.cases:
            return 0.0, 1.0
        n, p = self.cases, self.hits / self.cases
        middle = p + _Z**2 / (2 * n)
        spread = _Z * sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2))
        scale = 1 + _Z**2 / n
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)

    def as_json(self) -> dict[str, Any]:
        """The share as the API gives it."""
        low, high = self.interval
        return {
            "hits": self.hits,
            "cases": self.cases,
            "rate": self.rate,
            "low": round(low, 4),
            "high": round(high, 4),
        }


@dataclass(frozen=True, slots=True)
class Bin:
    """The assessments from one edge to the next, and what a threshold at its lower edge would do.

    Attributes:
        approved: those of the judged that were approved.
        asks: of all, how many are below its lower edge and would go to people.
        lets_pass: of the judged that are not below it, how many were not approved.
    """

    low: float
    high: float
    counts: Mapping[str, int]
    approved: Share
    asks: Share
    lets_pass: Share

    def as_json(self) -> dict[str, Any]:
        """The bin as the API gives it."""
        return {
            "from": self.low,
            "to": self.high,
            "outcomes": dict(self.counts),
            "approved": self.approved.as_json(),
            "threshold": {"asks": self.asks.as_json(), "lets_pass": self.lets_pass.as_json()},
        }


@dataclass(frozen=True, slots=True)
class StageCalibration:
    """One stage of an agent, its bins from the least sure to the surest."""

    agent: str
    stage: str
    bins: tuple[Bin, ...]

    @property
    def cases(self) -> int:
        """How often it stated anything."""
        return sum(sum(each.counts.values()) for each in self.bins)

    @property
    def judged(self) -> int:
        """How many of these something is known of."""
        return sum(each.approved.cases for each in self.bins)

    def as_json(self) -> dict[str, Any]:
        """The stage as the API gives it."""
        return {
            "agent": self.agent,
            "stage": self.stage,
            "cases": self.cases,
            "judged": self.judged,
            "bins": [each.as_json() for each in self.bins],
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """Every stage that stated something since then."""

    since: datetime
    stages: tuple[StageCalibration, ...]

    def as_json(self) -> dict[str, Any]:
        """The whole as the API gives it."""
        return {
            "since": iso(self.since),
            "stages": [stage.as_json() for stage in self.stages],
        }


def calibration(
    conn: Connection, *, tenant: str, agent: str | None = None, since: datetime | None = None
) -> Calibration:
    """What was stated since then, of one agent or all; without a time, in the last 90 days."""
    since = since or datetime.now(UTC) - LOOK_BACK
    where = {"tenant": tenant, "agent": agent, "since": since, "edges": list(EDGES)}
    rows = execute(conn, "calibration", **where).all()
    by_stage = groupby(rows, key=lambda row: (row.agent, row.stage))
    return Calibration(since, tuple(_stage(*key, found) for key, found in by_stage))


def _stage(agent: str, stage: str, rows: Iterable[Row[Any]]) -> StageCalibration:
    counted: list[dict[str, int]] = [{} for _ in EDGES]
    for row in rows:
        counted[row.bin - 1][row.outcome] = row.cases
    return StageCalibration(agent, stage, bins(counted))


def bins(counted: list[dict[str, int]]) -> tuple[Bin, ...]:
    """The bins of one stage from how often each outcome came up between the edges."""
    made = []
    for at, (low, high) in enumerate(pairwise((*EDGES, 1.0))):
        counts = {outcome: counted[at].get(outcome, 0) for outcome in (*JUDGED, *NOT_JUDGED)}
        above = counted[at:]
        judged = sum(map(_judged, above))
        made.append(
            Bin(
                low,
                high,
                counts,
                approved=Share(counts["approved"], _judged(counts)),
                asks=Share(_all(counted[:at]), _all(counted)),
                lets_pass=Share(judged - sum(each.get("approved", 0) for each in above), judged),
            )
        )
    return tuple(made)


def _judged(counts: Mapping[str, int]) -> int:
    return sum(counts.get(outcome, 0) for outcome in JUDGED)


def _all(counted: list[dict[str, int]]) -> int:
    return sum(sum(counts.values()) for counts in counted)
