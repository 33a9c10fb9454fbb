"""`interlock limits`: what the runs of a tenant may use together in a day."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .opened import opened, operator
from .printing import as_json, print_fields, print_json

if TYPE_CHECKING:
    from ..tenant_limits import Today

_NONE = "none"


@click.group()
def limits() -> None:
    """Show and set what a tenant may use in a day."""


@limits.command()
@as_json
def show(*, json_: bool) -> None:
    """Show the limits of a day, and what is used of them today (UTC)."""
    with opened() as at, at.database.begin() as conn:
        from ..tenant_limits import today

        found = today(conn, at.tenant)
    _print(found, json_=json_)


@limits.command("set")
@click.option("--usd-per-day", help="What model calls may cost in a day; 'none' for no limit.")
@click.option("--irreversible-per-day", help="Irreversible calls held in a day; 'none' likewise.")
@as_json
def set_(usd_per_day: str | None, irreversible_per_day: str | None, *, json_: bool) -> None:
    """Set limits; one that is not named stays as it is."""
    if usd_per_day is None and irreversible_per_day is None:
        raise UsageError("No limit is named: --usd-per-day, --irreversible-per-day, or both.")
    with opened() as at:
        from ..tenant_limits import TenantLimits, limit_tenant, today

        with at.database.begin() as conn:
            was = today(conn, at.tenant).limits
        usd = was.usd_per_day if usd_per_day is None else _number(usd_per_day)
        calls = was.irreversible_per_day
        if irreversible_per_day is not None:
            calls = _whole(irreversible_per_day)
        wanted = TenantLimits(usd, calls)
        limit_tenant(at.database, tenant=at.tenant, limits=wanted, by=operator())
        with at.database.begin() as conn:
            found = today(conn, at.tenant)
    _print(found, json_=json_)


def _number(text: str) -> Decimal | None:
    if text == _NONE:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UsageError(f"A limit is a number or '{_NONE}', not '{text}'.")
    return number


def _whole(text: str) -> int | None:
    number = _number(text)
    if number is not None and number != number.to_integral_value():
        raise UsageError(f"Calls are counted in whole numbers, not '{text}'.")
    return None if number is None else int(number)


def _print(found: Today, *, json_: bool) -> None:
    if json_:
        print_json(found.as_json())
        return
    limits, calls = found.limits, found.limits.irreversible_per_day
    usd = ", no limit" if limits.usd_per_day is None else f" of {limits.usd_per_day:,.2f}"
    print_fields(
        [
            ("USD today", f"{found.usd:,.4f}{usd}"),
            (
                "Irreversible calls today",
                "no limit" if calls is None else f"{found.irreversible:,} of {calls:,}",
            ),
        ]
    )
