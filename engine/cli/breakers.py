"""`interlock breakers`: what model calls may cost in an hour, what tripped, and resetting it."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .opened import opened, operator
from .printing import as_json, print_json, print_table

if TYPE_CHECKING:
    from uuid import UUID

_NONE = "none"


@click.group()
def breakers() -> None:
    """List and reset circuit breakers; set that of the tenant."""


@breakers.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that are not reset.")
@as_json
def list_(*, only_open: bool, json_: bool) -> None:
    """List the newest trips, and the tenant's own breaker."""
    with opened() as at, at.database.begin() as conn:
        from ..trips import tenant_breaker, trips

        found = trips(conn, tenant=at.tenant, only_open=only_open)
        tenants = tenant_breaker(conn, at.tenant)
    if json_:
        told = tenants.as_json() if tenants else None
        items = [trip.as_json() for trip in found]
        print_json({"tenant": told, "items": items, "cursor": None})
        return
    if tenants:
        click.echo(f"All agents together trip above {tenants.usd_per_hour:,.2f} USD an hour.")
    rows = [
        (
            trip.id,
            trip.agent or "all",
            f"{trip.usd:,.2f} of {trip.usd_per_hour:,.2f}",
            trip.model or "pause",
            trip.tripped_at,
            trip.reset_by,
        )
        for trip in found
    ]
    headings = ("trip", "agent", "usd", "then", "tripped", "reset by")
    print_table(headings, rows, empty="No breaker has tripped.")


@breakers.command()
@click.argument("trip_id", type=click.UUID)
@as_json
def reset(trip_id: UUID, *, json_: bool) -> None:
    """Let new runs start as before; what was spent until now counts no more."""
    with opened() as at:
        from ..trips import reset as reset_trip

        reset_trip(at.database, tenant=at.tenant, trip_id=trip_id, by=operator())
    if json_:
        print_json({"trip_id": str(trip_id), "state": "reset"})
    else:
        click.echo("It is reset. New runs start as before.")


@breakers.command("set")
@click.argument("usd_per_hour")
@click.option("--reset-after", type=click.IntRange(1), help="Seconds; without it, by a person.")
@as_json
def set_(usd_per_hour: str, reset_after: int | None, *, json_: bool) -> None:
    """Set what all agents together may cost in an hour; 'none' takes the breaker away."""
    with opened() as at:
        from ..trips import TenantBreaker, set_tenant_breaker

        usd = _amount(usd_per_hour)
        wanted = None if usd is None else TenantBreaker(usd, reset_after)
        set_tenant_breaker(at.database, tenant=at.tenant, breaker=wanted, by=operator())
    if json_:
        print_json({"tenant": wanted.as_json() if wanted else None})
    elif wanted is None:
        click.echo("The tenant has no breaker.")
    else:
        click.echo(f"All agents together trip above {wanted.usd_per_hour:,.2f} USD an hour.")


def _amount(text: str) -> Decimal | None:
    if text == _NONE:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"USD an hour are a number or '{_NONE}', not '{text}'.") from None
