"""What a circuit breaker cannot be, and what runs cannot do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import Check, Constraint, Guard, Index, Trigger, attack, attacks
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from rows import Rows

TRIPS_ONCE = Index("breakers_trip_once")
FIRST = Check("breaker_trips_guard", "a breaker trips before it is reset")
WHY = Check("breaker_trips_guard", "why a breaker tripped cannot change")
STAYS = Check("breaker_trips_guard", "a breaker that was reset stays so")
NOT_YET = Check("breaker_trips_guard", "a breaker is not reset by itself before its time")
BY_AN_ACCOUNT = Check("breaker_trips_guard", "a breaker is reset by somebody with an account")
BY_SOMEBODY = Constraint("breaker_trips", "reset_by_somebody")
AUDITED = Trigger("breaker_trips", "audited", "breaker .* was reset without an audit entry")
BEGINS_PLAIN = Constraint("runs", "begins_without_fallback")
FIRST_CLAIM = Check("runs_breaker_guard", "a run falls back when it is claimed first, or never")
WAITS = Check(
    "runs_breaker_guard",
    "a new run waits or falls back while its breaker is tripped, and only then",
)


def trip(rows: Rows, **columns: Any) -> UUID:
    """The breaker of an agent, tripped."""
    trip_id = uuid7()
    row = {"tenant_id": TENANT, "id": trip_id, "agent": "fleet-ops", "usd": 6, "usd_per_hour": 5}
    rows.insert("breaker_trips", **{**row, **columns})
    rows.audit("breaker.tripped", subject=trip_id, state="tripped")
    return trip_id


def reset(rows: Rows, trip_id: UUID, by: str = "operator:ops") -> None:
    """Somebody resets it."""
    at = rows.one("select clock_timestamp()")
    rows.change("breaker_trips", trip_id, reset_at=at, reset_by=by)
    rows.audit("breaker.reset", subject=trip_id, state="reset")


def tenants(rows: Rows, **columns: Any) -> None:
    """The breaker of the tenant."""
    row = {"tenant_id": TENANT, "usd_per_hour": 50, "set_by": "operator:ops"}
    rows.insert("tenant_breakers", **{**row, **columns})


_UNFIT: dict[tuple[str, int], tuple[Guard, ...]] = {
    ("usd_per_hour", 0): (Constraint("tenant_breakers", "some_usd_per_hour"),),
    ("reset_seconds", 0): (Constraint("tenant_breakers", "some_reset_seconds"),),
}


@attacks(_UNFIT)
def a_tenants_breaker_cannot_have(rows: Rows, column: str, value: int) -> Iterator[None]:
    yield
    tenants(rows, **{column: value})


@attacks(dict.fromkeys(("fleet-ops", None), (TRIPS_ONCE,)))
def a_breaker_cannot_be_tripped_twice(rows: Rows, agent: str | None) -> Iterator[None]:
    trip(rows, agent=agent)
    yield
    trip(rows, agent=agent)


@attack(Constraint("breaker_trips", "trips_above"))
def a_breaker_cannot_trip_at_its_threshold(rows: Rows) -> Iterator[None]:
    yield
    trip(rows, usd=5)


@attack(FIRST)
def a_breaker_cannot_trip_as_reset(rows: Rows) -> Iterator[None]:
    yield
    trip(rows, reset_at="now", reset_by="operator:ops")


_OTHER: dict[str, Any] = {
    "tenant_id": "another",
    "id": uuid7(),
    "agent": None,
    "usd": 7,
    "usd_per_hour": 1,
    "model": "cheap",
    "tripped_at": "2020-01-01",
    "resets_at": "2090-01-01",
}


@attacks(dict.fromkeys(_OTHER, (WHY, AUDITED)))
def why_a_breaker_tripped_cannot_change(rows: Rows, column: str) -> Iterator[None]:
    trip_id = trip(rows)
    rows.settle()
    yield
    rows.change("breaker_trips", trip_id, **{column: _OTHER[column]})


_AGAIN: dict[str, dict[str, Any]] = {
    "undone": {"reset_at": None, "reset_by": None},
    "anothers": {"reset_by": "operator:other"},
    "earlier": {"reset_at": "2020-01-01"},
}


@attacks(dict.fromkeys(_AGAIN, (STAYS,)))
def a_reset_cannot_become(rows: Rows, what: str) -> Iterator[None]:
    trip_id = trip(rows)
    reset(rows, trip_id)
    rows.settle()
    rows.without(AUDITED)
    yield
    rows.change("breaker_trips", trip_id, **_AGAIN[what])


_IN_PART: dict[str, dict[str, Any]] = {
    "by_nobody": {"reset_at": "now"},
    "at_no_time": {"reset_by": "operator:ops"},
}


@attacks(dict.fromkeys(_IN_PART, (BY_SOMEBODY,)))
def a_breaker_cannot_be_reset(rows: Rows, how: str) -> Iterator[None]:
    trip_id = trip(rows)
    rows.without(AUDITED)
    yield
    rows.change("breaker_trips", trip_id, **_IN_PART[how])


@attacks(dict.fromkeys((None, "1 h"), (NOT_YET,)))
def a_breaker_cannot_be_reset_by_itself_in(rows: Rows, time: str | None) -> Iterator[None]:
    at = time and rows.one("select clock_timestamp() + %(time)s::interval", time=time)
    trip_id = trip(rows, resets_at=at)
    yield
    reset(rows, trip_id, "interlock")


@attacks(dict.fromkeys(("gus", "nobody", "hal"), (BY_AN_ACCOUNT,)))
def a_breaker_cannot_be_reset_by(rows: Rows, name: str) -> Iterator[None]:
    rows.insert("reviewers", tenant_id="another", name="hal", password_hash="x", groups=[])
    trip_id = trip(rows)
    yield
    reset(rows, trip_id, f"reviewer:{name}")


@attack(Trigger("breaker_trips", "audited_birth", "breaker .* was tripped without an audit entry"))
def a_breaker_cannot_trip_without_an_entry(rows: Rows) -> Iterator[None]:
    yield
    rows.silent = True
    trip(rows)


@attack(AUDITED)
def a_breaker_cannot_be_reset_without_an_entry(rows: Rows) -> Iterator[None]:
    trip_id = trip(rows)
    yield
    rows.silent = True
    reset(rows, trip_id)


_ENTRIES: dict[str, dict[str, Any]] = {
    "another_tenant": {"tenant_id": "another"},
    "another_breaker": {"subject": uuid7()},
    "another_state": {"state": "tripped"},
}


@attacks(dict.fromkeys(_ENTRIES, (AUDITED,)))
def a_breaker_cannot_be_reset_with_an_entry_of(rows: Rows, what: str) -> Iterator[None]:
    trip_id = trip(rows)
    yield
    rows.silent = True
    reset(rows, trip_id)
    rows.silent = False
    rows.audit("breaker.reset", **{"subject": trip_id, "state": "reset", **_ENTRIES[what]})


@attack(
    Trigger(
        "breaker_trips", "no_delete", "DELETE refused on breaker_trips: its rows stay as they are"
    )
)
def a_trip_cannot_be_removed(rows: Rows) -> Iterator[None]:
    trip_id = trip(rows)
    rows.settle()
    yield
    rows.do("delete from breaker_trips where id = %(id)s", id=trip_id)


# Runs ------------------------------------------------------------------------------------------


@attack(BEGINS_PLAIN)
def a_run_cannot_begin_with_a_fallback(rows: Rows) -> Iterator[None]:
    yield
    rows.run(fallback="cheap")


@attacks(dict.fromkeys(("fleet-ops", None), (WAITS,)))
def a_new_run_cannot_start_while_a_breaker_is_tripped(
    rows: Rows, agent: str | None
) -> Iterator[None]:
    run_id = rows.run()
    trip(rows, agent=agent)
    yield
    rows.claim(run_id)


_NONE: dict[str, dict[str, Any]] = {
    "that_is_another_agents": {"agent": "other"},
    "that_is_another_tenants": {"tenant_id": "another"},
}


@attacks(dict.fromkeys((*_NONE, "that_was_reset"), (WAITS,)))
def a_run_cannot_fall_back_for_a_breaker(rows: Rows, which: str) -> Iterator[None]:
    run_id = rows.run()
    if which in _NONE:
        rows.silent = "tenant_id" in _NONE[which]
        trip_id = trip(rows, **_NONE[which])
        rows.silent = False
        rows.audit("x.y", subject=trip_id, state="tripped", tenant_id="another")
    else:
        reset(rows, trip(rows))
    yield
    taken = {"worker_id": rows.worker, "epoch": 1, "fallback": "cheap"}
    rows.move("runs", run_id, "running", **taken)


@attacks({"begun": (FIRST_CLAIM,), "queued": (FIRST_CLAIM, BEGINS_PLAIN)})
def a_run_cannot_be_switched_that_is(rows: Rows, state: str) -> Iterator[None]:
    run_id = rows.run("running" if state == "begun" else "queued")
    trip(rows)
    yield
    rows.change("runs", run_id, fallback="cheap")
