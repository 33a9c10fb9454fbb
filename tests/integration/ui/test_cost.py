"""What models cost, in the browser."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from interlock.engine.tenant_limits import TenantLimits, limit_tenant
from visiting import text_of

if TYPE_CHECKING:
    from interlock.engine.database import Database
    from seeding import Seeds
    from visiting import Person

LISTED = "genai-prices 0.2.3"


def test_without_a_model_call_the_page_says_so(dana: Person) -> None:
    assert "No model was asked" in text_of(dana.get("/cost"))


def test_the_heaviest_runs_stand_beside_the_mean(dana: Person, seeds: Seeds) -> None:
    for _ in range(9):
        seeds.run(spent=[("small", "0.01", LISTED)])
    seeds.run(spent=[("large", "3.91", LISTED)], budget=9)
    page = text_of(dana.get("/cost"))
    for part in ("All runs $4.00", "on average $0.4000", "heaviest 1% $3.91", "1 run"):
        assert part in page


@pytest.mark.parametrize(
    ("by", "shows"), [("agent", "fleet-ops"), ("model", "depot-7b"), ("nonsense", "fleet-ops")]
)
def test_each_group_says_how_much_of_it_has_no_price(
    dana: Person, seeds: Seeds, by: str, shows: str
) -> None:
    seeds.run(spent=[("depot-7b", "0.25", "unknown"), ("depot-7b", "0.75", LISTED)])
    page = text_of(dana.get(f"/cost?by={by}&days=nonsense"))
    assert shows in page
    assert "25% at the ceiling: no price" in page


def test_a_run_leads_to_its_page_which_shows_its_limits(dana: Person, seeds: Seeds) -> None:
    run_id = seeds.run(spent=[("small", "0.0375", LISTED)])
    assert f"/runs/{run_id}" in dana.get("/cost?by=run").text
    page = text_of(dana.get(f"/runs/{run_id}"))
    for part in ("$0.0375 of $1.00", "3,000 of 1,000,000", "500 of 100,000"):
        assert part in page
    assert "$0.0375" in text_of(dana.get("/runs"))


def test_the_day_of_the_tenant_is_shown(dana: Person, seeds: Seeds, database: Database) -> None:
    seeds.run(spent=[("small", "1.50", LISTED)], budget=9)
    limits = TenantLimits(Decimal(5), 40)
    limit_tenant(database, tenant="default", limits=limits, by="operator:tests")
    page = text_of(dana.get("/cost"))
    for part in ("USD today $1.50 of $5.00", "$3.50 left", "Irreversible calls today 0 of 40"):
        assert part in page
