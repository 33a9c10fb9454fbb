"""What models cost, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from . import words
from .views_run import Meter
from .words import usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.tenant_limits import Today
    from ..engine.usage_queries import UsageRow

DAYS = {"1": "Last day", "7": "Last 7 days", "30": "Last 30 days", "365": "Last year"}
GROUPS = {"agent": "By agent", "model": "By model", "run": "By run"}


@dataclass(frozen=True, slots=True)
class CostLine:
    """One group of runs."""

    name: str
    run_id: UUID | None
    runs: str
    usd: str
    mean: str
    median: str
    heaviest: str
    heaviest_runs: str
    tokens: str
    unknown: str
    """How much of it has no price; empty where nothing has."""


@dataclass(frozen=True, slots=True)
class CostView:
    """The page: the total, the tenant's day, and the groups."""

    total: CostLine | None
    today: tuple[Meter, ...]
    lines: tuple[CostLine, ...]


def length(days: str) -> timedelta:
    """The time that was chosen, a month where it is none of the choices."""
    return timedelta(days=int(days if days in DAYS else "30"))


def view(rows: Sequence[UsageRow], total: Sequence[UsageRow], today: Today, *, by: str) -> CostView:
    """The page."""
    return CostView(
        total=_line(total[0], by="tenant") if total else None,
        today=_meters(today),
        lines=tuple(_line(row, by=by) for row in rows),
    )


def _line(row: UsageRow, *, by: str) -> CostLine:
    share = row.unknown_usd / row.usd if row.usd else 0
    return CostLine(
        name=words.short(UUID(row.name)) if by == "run" else row.name,
        run_id=UUID(row.name) if by == "run" else None,
        runs=words.plural(row.runs, "run"),
        usd=usd(row.usd),
        mean=usd(row.mean),
        median=usd(row.median),
        heaviest=usd(row.heaviest_usd / row.heaviest),
        heaviest_runs=words.plural(row.heaviest, "run"),
        tokens=f"{row.tokens_in:,} tokens in, {row.tokens_out:,} out",
        unknown=f"{share:.0%} at the ceiling: no price" if row.unknown_usd else "",
    )


def _meters(today: Today) -> tuple[Meter, ...]:
    limits = today.limits
    meters = []
    if limits.usd_per_day is not None:
        left = usd(max(limits.usd_per_day - today.usd, limits.usd_per_day * 0))
        used = float(min(today.usd, limits.usd_per_day))
        meters.append(
            Meter(
                "USD today",
                usd(today.usd),
                usd(limits.usd_per_day),
                f"{left} left",
                used,
                float(limits.usd_per_day),
            )
        )
    if limits.irreversible_per_day is not None:
        most, made = limits.irreversible_per_day, today.irreversible
        meters.append(
            Meter(
                "Irreversible calls today",
                f"{made:,}",
                f"{most:,}",
                f"{max(most - made, 0):,} left",
                min(made, most),
                most,
            )
        )
    return tuple(meters)
