"""Circuit breakers at work: tripped by what an hour cost, reset by a person or by time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from .audit import record
from .database import execute
from .errors import Conflict, NotAReviewer, NotFound, UsageError
from .run_queries import iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

    from .agent import Agent
    from .database import Database

_MOST_USD = Decimal(10_000_000)
_REVIEWER = "reviewer:"


@dataclass(frozen=True, slots=True)
class TripRow:
    """A breaker that tripped, and whether and by whom it was reset."""

    id: UUID
    agent: str | None
    """None: that of the tenant."""
    usd: Decimal
    usd_per_hour: Decimal
    model: str | None
    """What new runs fall back to. None: they wait, unless they have a model of their own for it."""
    tripped_at: datetime
    resets_at: datetime | None
    reset_at: datetime | None
    reset_by: str | None

    @property
    def why(self) -> str:
        """What it tripped for, as a sentence."""
        of = f"agent {self.agent}" if self.agent else "all agents"
        return (
            f"Model calls of {of} cost {self.usd:,.2f} USD within an hour; "
            f"the breaker trips above {self.usd_per_hour:,.2f}."
        )

    def as_json(self) -> dict[str, Any]:
        """The trip as the API gives it."""
        return {
            "trip_id": str(self.id),
            "agent": self.agent,
            "usd": float(self.usd),
            "usd_per_hour": float(self.usd_per_hour),
            "then": self.model or "pause",
            "tripped_at": iso(self.tripped_at),
            "resets_at": iso(self.resets_at),
            "reset_at": iso(self.reset_at),
            "reset_by": self.reset_by,
        }


def trips(conn: Connection, *, tenant: str, only_open: bool, limit: int = 50) -> list[TripRow]:
    """The newest trips, or those that are not reset."""
    found = execute(conn, "breaker_trips", tenant=tenant, only_open=only_open, limit=limit)
    return [TripRow(**row) for row in found.mappings()]


def reset(db: Database, *, tenant: str, trip_id: UUID, by: str) -> None:
    """Let new runs start as before; what was spent until now counts no more. Twice is as once.

    Raises:
        NotFound: there is no such trip.
        NotAReviewer: it is a reviewer without an active account.
        Conflict: it was reset before, by somebody else or by itself.
    """
    where = {"tenant": tenant, "id": trip_id}

    def write(conn: Connection) -> None:
        name = by.removeprefix(_REVIEWER)
        if by != name and not execute(conn, "reviewer_groups", tenant=tenant, reviewer=name).all():
            raise NotAReviewer(f"There is no active account '{name}'. Nothing was reset.")
        done = execute(conn, "reset_breaker", **where, by=by).one_or_none()
        if done is not None:
            _note_reset(conn, tenant, trip_id, done.agent, by)
            return
        known = execute(conn, "breaker_reset_by", **where).one_or_none()
        if known is None:
            raise NotFound(f"There is no breaker trip {trip_id}.")
        if known.reset_by != by:
            raise Conflict(f"It was reset before, by {known.reset_by}. Nothing was done.")

    db.retry(write, patience=5.0)


def _note_reset(conn: Connection, tenant: str, trip_id: UUID, agent: str | None, by: str) -> None:
    record(
        conn,
        tenant=tenant,
        event="breaker.reset",
        actor=by,
        subject=trip_id,
        state="reset",
        detail={"trip": str(trip_id), "agent": agent},
    )


# The tenant's own ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TenantBreaker:
    """What model calls of all agents of a tenant may cost in an hour together."""

    usd_per_hour: Decimal
    reset_seconds: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The breaker as the API and the command line give it."""
        return {"usd_per_hour": float(self.usd_per_hour), "reset_seconds": self.reset_seconds}


def tenant_breaker(conn: Connection, tenant: str) -> TenantBreaker | None:
    """The tenant's breaker, if it has one."""
    row = execute(conn, "tenant_breaker", tenant=tenant).one_or_none()
    return TenantBreaker(row.usd_per_hour, row.reset_seconds) if row else None


def set_tenant_breaker(
    db: Database, *, tenant: str, breaker: TenantBreaker | None, by: str
) -> None:
    """Set the tenant's breaker in place of the one before; None takes it away.

    Raises:
        UsageError: an amount that is none, or no time.
    """
    usd = breaker.usd_per_hour if breaker else Decimal(1)
    if not (usd.is_finite() and 0 < usd <= _MOST_USD):
        raise UsageError(f"USD an hour are an amount above 0 and up to {_MOST_USD:,}, not {usd}.")
    if breaker and breaker.reset_seconds is not None and breaker.reset_seconds < 1:
        raise UsageError("A breaker is reset after a second at the least.")
    with db.begin() as conn:
        if breaker:
            execute(
                conn,
                "set_tenant_breaker",
                tenant=tenant,
                usd_per_hour=usd,
                reset_seconds=breaker.reset_seconds,
                by=by,
            )
        else:
            execute(conn, "clear_tenant_breaker", tenant=tenant)
        record(
            conn,
            tenant=tenant,
            event="breaker.set",
            actor=by,
            detail={"breaker": breaker.as_json() if breaker else None},
        )


# What a worker does ----------------------------------------------------------------------------


class Breakers:
    """The breakers that a worker looks after: those of its agents and that of its tenant.

    Attributes:
        fallbacks: agent → the model that its new runs go on while a breaker is tripped.
    """

    def __init__(self, db: Database, tenant: str, agents: Sequence[Agent]) -> None:
        self._db = db
        self._tenant = tenant
        self._own = {each.name: each.breaker for each in agents if each.breaker is not None}
        self._has_tenants = True
        self.fallbacks = {
            name: breaker.model_name for name, breaker in self._own.items() if breaker.model_name
        }

    @property
    def are_there(self) -> bool:
        """Whether there is anything to look at before runs are claimed."""
        return bool(self._own) or self._has_tenants

    def sweep(self) -> None:
        """Reset what is due, and trip what is above."""
        with self._db.begin() as conn:
            for row in execute(conn, "reset_due_breakers", tenant=self._tenant).all():
                _note_reset(conn, self._tenant, row.id, row.agent, "interlock")
        self.look(only_due=False)

    def look(self, *, only_due: bool = True) -> None:
        """Trip what is above; with `only_due`, where a new run waits for it to be known."""
        with self._db.begin() as conn:
            tenants = tenant_breaker(conn, self._tenant)
            self._has_tenants = tenants is not None
            if not self.are_there:
                return
            watched: list[tuple[str | None, Decimal, str | None, int | None]] = [
                (name, Decimal(str(each.usd_per_hour)), each.model_name, each.reset_seconds)
                for name, each in self._own.items()
            ]
            if tenants is not None:
                watched.append((None, tenants.usd_per_hour, None, tenants.reset_seconds))
            agents, usd, models, seconds = (list(column) for column in zip(*watched, strict=True))
            tripped = execute(
                conn,
                "trip_breakers",
                tenant=self._tenant,
                ids=[uuid7() for _ in watched],
                agents=agents,
                usd_per_hour=usd,
                models=models,
                reset_seconds=seconds,
                only_due=only_due,
            ).all()
            for row in tripped:
                record(
                    conn,
                    tenant=self._tenant,
                    event="breaker.tripped",
                    actor="interlock",
                    subject=row.id,
                    state="tripped",
                    detail={
                        "trip": str(row.id),
                        "agent": row.agent,
                        "usd": str(row.usd),
                        "usd_per_hour": str(row.usd_per_hour),
                        "then": row.model or "pause",
                    },
                )
