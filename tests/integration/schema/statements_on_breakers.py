"""The statements about circuit breakers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attacks_on_breakers import reset, tenants, trip
from attacks_on_replies import asked
from bystanders import registered
from rows import TENANT
from statement import ANOTHER, NOBODY, case
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from rows import Rows


@case("reset_breaker", misses=["reset"], tenant=ANOTHER, id=NOBODY)
@case("breaker_reset_by", finds=["reset"], tenant=ANOTHER, id=NOBODY)
@case("reset_due_breakers", finds=["due"], misses=["", "not due yet", "reset"], tenant=ANOTHER)
@case("breaker_trips", misses=["reset"], tenant=ANOTHER)
def a_trip(rows: Rows, state: str) -> dict[str, Any]:
    hours = {"due": "-1 h", "reset": "-1 h", "not due yet": "1 h"}.get(state)
    at = hours and rows.one("select clock_timestamp() + %(hours)s::interval", hours=hours)
    trip_id = trip(rows, resets_at=at)
    if state == "reset":
        reset(rows, trip_id)
    shown = {"only_open": True, "limit": 5}
    return {"tenant": TENANT, "id": trip_id, "by": "operator:ops", **shown}


@case("tenant_breaker", "clear_tenant_breaker", tenant=ANOTHER)
def a_tenants_breaker(rows: Rows, _: str) -> dict[str, Any]:
    tenants(rows)
    return {"tenant": TENANT}


@case(
    "trip_breakers",
    finds=[
        "an agent's",
        "the tenant's",
        "seen at a sweep",
        "reset before it",
        "beside another agent's",
        "beside another tenant's",
    ],
    misses=[
        "tripped already",
        "reset after it",
        "more than an hour ago",
        "at the threshold",
        "no new run waits",
        "a run that was begun waits",
        "a run that is not due waits",
        "another agent's waits",
        "another agent's hour",
        "another tenant's hour",
        "another tenant's waits",
    ],
    tenant=ANOTHER,
    agents=["other"],
)
def an_expensive_hour(rows: Rows, state: str) -> dict[str, Any]:
    whose = {"another agent's hour": {"agent": "other"}}.get(state, {})
    run_id = rows.run("running", **whose)
    reply_id = asked(rows, run_id, reserved_usd=6)
    if state == "another tenant's hour":
        elsewhere(rows, "replies", reply_id)
        elsewhere(rows, "runs", run_id)
    if state == "more than an hour ago":
        rows.do("set local session_replication_role = replica")
        rows.do(
            "update replies set created_at = now() - interval '61 min' where id = %(id)s",
            id=reply_id,
        )
        rows.do("set local session_replication_role = default")
    _waiting(rows, state)
    if state == "tripped already":
        trip(rows)
    if state == "beside another agent's":
        trip(rows, agent="other")
    if state == "beside another tenant's":
        elsewhere(rows, "breaker_trips", trip(rows))
    if state.startswith("reset"):
        reset(rows, trip(rows))
    if state == "reset before it":
        asked(rows, run_id, reserved_usd=6)
    return {
        "tenant": TENANT,
        "ids": [uuid7()],
        "agents": [None if state == "the tenant's" else "fleet-ops"],
        "usd_per_hour": [6 if state == "at the threshold" else 5],
        "models": [None],
        "reset_seconds": [60],
        "only_due": state != "seen at a sweep",
    }


def elsewhere(rows: Rows, table: str, row_id: UUID) -> None:
    """Make a row another tenant's."""
    rows.settle()
    rows.do("set local session_replication_role = replica")
    rows.change(table, row_id, tenant_id=ANOTHER)
    rows.do("set local session_replication_role = default")


def _waiting(rows: Rows, state: str) -> None:
    """A run that waits to begin, or one that does not."""
    later = rows.one("select clock_timestamp() + interval '1 h'")
    match state:
        case "no new run waits" | "seen at a sweep":
            rows.run("ended")
        case "a run that was begun waits":
            rows.move("runs", rows.run("waiting"), "queued")
        case "a run that is not due waits":
            rows.run(not_before=later)
        case "another agent's waits":
            rows.run(agent="other")
        case "another tenant's waits":
            elsewhere(rows, "runs", rows.run())
        case _:
            rows.run()


@case(
    "select is_tripped(%(tenant)s, %(agent)s)",
    finds=["an agent's", "the tenant's"],
    misses=["reset"],
    tenant=ANOTHER,
)
@case("select is_tripped(%(tenant)s, %(agent)s)", finds=["an agent's"], agent="other")
@case(
    "select paused_by(%(tenant)s, %(agent)s, %(version)s) is not null",
    finds=["an agent's", "the tenant's", "able in another version"],
    misses=["reset", "able"],
    tenant=ANOTHER,
)
@case(
    "select paused_by(%(tenant)s, %(agent)s, 'f1') is not null", finds=["an agent's"], agent="other"
)
def tripped(rows: Rows, state: str) -> dict[str, Any]:
    trip_id = trip(rows, agent=None if state == "the tenant's" else "fleet-ops")
    if state == "reset":
        reset(rows, trip_id)
    version = "f2" if state == "able in another version" else "f1"
    registered(rows, "fleet-ops", version)
    if state.startswith("able"):
        rows.do("update agents set fallback = 'cheap' where name = 'fleet-ops'")
    return {"tenant": TENANT, "agent": "fleet-ops", "version": "f1"}
