"""What models cost: by run, agent, tenant, model or tag."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .database import execute
from .errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

GROUPS = ("run", "agent", "tenant", "model")
MOST_GROUPS = 100
_TAG = "tag:"
_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the model calls of a run count as so far, with what is reserved for those under way."""

    tokens_in: int
    tokens_out: int
    usd: Decimal

    def as_json(self) -> dict[str, float]:
        """By the names of the limits."""
        return {
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost_usd": float(self.usd),
        }


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one group of runs cost; amounts in USD.

    Attributes:
        mean: of one run.
        median: of one run; half of them cost no more.
        heaviest: how many runs the heaviest hundredth is, one at least; `heaviest_usd` together.
        unknown_usd: of `usd`, what counts at the ceiling because its model has no price.
    """

    name: str
    runs: int
    replies: int
    tokens_in: int
    tokens_out: int
    usd: Decimal
    mean: Decimal
    median: Decimal
    heaviest: int
    heaviest_usd: Decimal
    unknown_usd: Decimal

    def as_json(self) -> dict[str, Any]:
        """The group as the API gives it."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {k: float(v) if isinstance(v, Decimal) else v for k, v in values.items()}


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, without the end."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None) -> Window:
        """The last 30 days where nothing else is said; times without a zone are UTC.

        Raises:
            UsageError: it ends before it begins.
        """
        end = _utc(until or datetime.now(UTC))
        begin = _utc(since) if since else end - _WINDOW
        if begin >= end:
            raise UsageError("The time asked about ends before it begins.")
        return cls(begin, end)

    def as_json(self) -> dict[str, str]:
        """As the API gives it."""
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def usage_by(
    conn: Connection, *, tenant: str, by: str, window: Window, limit: int = MOST_GROUPS
) -> tuple[UsageRow, ...]:
    """The groups that cost the most, by `run`, `agent`, `tenant`, `model` or `tag:NAME`.

    Raises:
        UsageError: there is no such group.
    """
    if by not in GROUPS and not (by.startswith(_TAG) and by != _TAG):
        raise UsageError(f"Usage is by {', '.join(GROUPS)} or tag:NAME, not by '{by}'.")
    rows = execute(
        conn,
        "usage_by",
        tenant=tenant,
        by=by,
        tag=by.removeprefix(_TAG),
        since=window.since,
        until=window.until,
        limit=limit,
    )
    return tuple(UsageRow(**row) for row in rows.mappings())
