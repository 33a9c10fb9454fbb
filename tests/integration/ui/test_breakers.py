"""A tripped circuit breaker is on every page, with a button; its runs say why they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from visiting import text_of

if TYPE_CHECKING:
    from interlock.engine.database import Database
    from seeding import Seeds
    from visiting import Person


def test_every_page_says_what_is_tripped_and_why_until_it_is_reset(
    dana: Person, seeds: Seeds
) -> None:
    trip_id = seeds.trip("fleet-ops", minutes=90)
    says = (
        "New runs of fleet-ops wait. Model calls of agent fleet-ops cost 6.20 USD within an hour; "
        "the breaker trips above 5.00. It is reset by itself in 1 h 29 min."
    )
    for path in ("/approvals", "/runs", "/audit", "/cost", "/calibration"):
        assert says in text_of(dana.get(path)), path
    assert dana.post(f"/breakers/{trip_id}/reset").status_code == 303
    assert dana.post(f"/breakers/{trip_id}/reset").status_code == 303
    assert "New runs" not in text_of(dana.get("/runs"))
    log = text_of(dana.get("/audit"))
    assert "dana A circuit breaker was reset" in log


def test_a_tenants_trip_and_one_with_a_fallback_say_so(dana: Person, seeds: Seeds) -> None:
    seeds.trip(None)
    seeds.trip("fleet-ops", model="small-1")
    page = text_of(dana.get("/runs"))
    assert "New runs of agents without a fallback model wait." in page
    assert "Model calls of all agents cost 6.20 USD" in page
    assert "New runs of fleet-ops go to small-1." in page


def test_a_run_that_waits_for_it_says_so(dana: Person, seeds: Seeds, database: Database) -> None:
    run_id = seeds.queued()
    assert "Queued" in text_of(dana.get("/runs"))
    seeds.trip("fleet-ops")
    assert "Paused by a breaker" in text_of(dana.get("/runs"))
    page = text_of(dana.get(f"/runs/{run_id}"))
    assert "The run does not begin yet. A circuit breaker is tripped." in page


def test_a_run_that_fell_back_names_the_model(dana: Person, seeds: Seeds) -> None:
    seeds.trip("fleet-ops", model="small-1")
    run_id = seeds.queued(fallback="small-1")
    page = text_of(dana.get(f"/runs/{run_id}"))
    assert "Every model call of this run goes to small-1." in page
