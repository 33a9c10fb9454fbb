"""What the runs of a tenant may use together in a day, by UTC."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .audit import record
from .database import execute
from .errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .database import Database

_MOST_USD = Decimal(10_000_000)
_MOST_CALLS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """None: no limit."""

    usd_per_day: Decimal | None = None
    irreversible_per_day: int | None = None

    def as_json(self) -> dict[str, float | None]:
        """The limits by name."""
        usd = self.usd_per_day
        return {
            "usd_per_day": None if usd is None else float(usd),
            "irreversible_per_day": self.irreversible_per_day,
        }


@dataclass(frozen=True, slots=True)
class Today:
    """A tenant's limits, and what is used of them since midnight.

    Irreversible calls are counted while there is a limit of them.
    """

    limits: TenantLimits
    usd: Decimal
    irreversible: int

    def as_json(self) -> dict[str, Any]:
        """As the API gives it."""
        used = {"usd": float(self.usd), "irreversible": self.irreversible}
        return {"limits": self.limits.as_json(), "used": used}


def today(conn: Connection, tenant: str) -> Today:
    """The tenant's limits and its day so far."""
    row = execute(conn, "tenant_today", tenant=tenant).one()
    limits = TenantLimits(row.usd_per_day, row.irreversible_per_day)
    return Today(limits, row.usd, row.irreversible)


def limit_tenant(db: Database, *, tenant: str, limits: TenantLimits, by: str) -> None:
    """Set what the runs of a tenant may use together in a day, in place of what was set.

    Raises:
        UsageError: a limit that allows nothing, or too much to be one.
    """
    usd, calls = limits.usd_per_day, limits.irreversible_per_day
    if usd is not None and not (usd.is_finite() and 0 < usd <= _MOST_USD):
        raise UsageError(f"USD a day are an amount above 0 and up to {_MOST_USD:,}, not {usd}.")
    if calls is not None and not 1 <= calls <= _MOST_CALLS:
        raise UsageError(f"Irreversible calls a day are a number from 1 up, not {calls}.")
    with db.begin() as conn:
        execute(
            conn,
            "limit_tenant",
            tenant=tenant,
            usd_per_day=usd,
            irreversible_per_day=calls,
            by=by,
        )
        record(
            conn,
            tenant=tenant,
            event="tenant.limited",
            actor=by,
            detail={"limits": limits.as_json()},
        )
