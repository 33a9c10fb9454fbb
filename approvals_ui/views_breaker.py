"""A tripped circuit breaker as every page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .times import deadline

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ..engine.trips import TripRow


@dataclass(frozen=True, slots=True)
class TripLine:
    """What it does to new runs, why, and until when."""

    id: UUID
    strong: str
    why: str


def line(trip: TripRow, now: datetime) -> TripLine:
    """A trip, seen from now."""
    of = f"of {trip.agent}" if trip.agent else "of agents without a fallback model"
    strong = f"New runs {of} wait."
    if trip.model:
        strong = f"New runs {of} go to {trip.model}."
    until = ""
    if trip.resets_at is not None:
        left = deadline(trip.resets_at, now).left
        until = f" It is reset by itself in {left}." if left else " It is about to be reset."
    return TripLine(trip.id, strong, trip.why + until)
