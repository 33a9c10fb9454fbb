"""`interlock usage`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from .opened import opened
from .printing import as_json, print_json, print_table

if TYPE_CHECKING:
    from decimal import Decimal


@click.command()
@click.option(
    "--by", default="agent", show_default=True, help="run, agent, tenant, model or tag:NAME."
)
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True)
@as_json
def usage(by: str, days: int, *, json_: bool) -> None:
    """Say what models cost, the heaviest hundredth of the runs beside the mean."""
    with opened() as at, at.database.begin() as conn:
        from ..usage_queries import Window, usage_by

        until = datetime.now(UTC)
        window = Window.of(until - timedelta(days=days), until)
        found = usage_by(conn, tenant=at.tenant, by=by, window=window)
    if json_:
        print_json({**window.as_json(), "by": by, "items": [row.as_json() for row in found]})
        return
    headings = (by, "runs", "USD", "mean", "median", "heaviest 1%", "unknown price")
    rows = [
        (
            *(row.name, f"{row.runs:,}", _usd(row.usd), _usd(row.mean), _usd(row.median)),
            *(f"{_usd(row.heaviest_usd)} in {row.heaviest:,}", _usd(row.unknown_usd)),
        )
        for row in found
    ]
    print_table(headings, rows, empty="No model was asked in that time.")


def _usd(amount: Decimal) -> str:
    return f"{amount:,.4f}"
