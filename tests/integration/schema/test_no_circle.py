"""Transactions that lock several rows take them in one order, so that none waits in a circle."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from attacks_on_replies import asked
from attacks_on_room import register
from interlock.engine import runs
from interlock.engine.database import execute
from rows import TENANT, Rows
from test_room import reserve, running
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from interlock.engine.database import Database

NAMES = ("a", "b")


def slowly(rows: Rows, when: str) -> None:
    """Whoever does that holds what it locked for a while."""
    rows.do(
        "create function slow() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(0.3); return new; end $$"
    )
    rows.do(f"create trigger slow {when} for each row execute function slow()")


def at_once(*acts: Any) -> None:
    """Each in a thread of its own; the first error is raised."""
    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(act) for act in acts]:
            done.result(30)


def test_workers_that_trip_the_same_breakers_do_not_wait_for_each_other(
    database: Database,
) -> None:
    with database.begin() as conn:
        rows = Rows(conn.connection.driver_connection)
        for name in NAMES:
            asked(rows, rows.run("running", agent=name))
        slowly(rows, "before insert on breaker_trips")

    def trip(names: Any) -> None:
        with database.begin() as conn:
            tripped = execute(
                conn,
                "trip_breakers",
                tenant=TENANT,
                ids=[uuid7() for _ in names],
                agents=list(names),
                usd_per_hour=[Decimal("0.000001")] * 2,
                models=[None] * 2,
                reset_seconds=[None] * 2,
                only_due=False,
            ).all()
            theirs = Rows.over(conn.connection.driver_connection)
            theirs.silent = False
            for row in tripped:
                theirs.audit("breaker.tripped", subject=row.id, state="tripped")

    at_once(lambda: trip(NAMES), lambda: trip(NAMES[::-1]))
    with database.begin() as conn:
        found = Rows.over(conn.connection.driver_connection)
        assert found.one("select count(*) from breaker_trips") == len(NAMES)


def test_workers_that_end_runs_of_the_same_agents_do_not_wait_for_each_other(
    database: Database,
) -> None:
    with database.begin() as conn:
        rows = Rows(conn.connection.driver_connection)
        for name in NAMES:
            register(rows, name=name, most_pending=5)
        workers = [uuid7(), uuid7()]
        for worker, names in zip(workers, (NAMES, NAMES[::-1]), strict=True):
            rows.insert(
                "workers",
                id=worker,
                host="here",
                pid=1,
                fingerprints=["f1"],
                lease_until="infinity",
            )
            rows.worker = worker
            for name in names:
                run_id = rows.run("running", agent=name)
                rows.held(run_id)
                rows.change(
                    "runs", run_id, cancel_requested_by="reviewer:dana", cancel_requested_at="now"
                )
        slowly(rows, "after update on approvals")

    def recover(worker: UUID) -> None:
        with database.begin() as conn:
            assert runs.recover(conn, most_deaths=3, worker_id=worker, in_hand=[]) == len(NAMES)

    at_once(*(lambda worker=worker: recover(worker) for worker in workers))
    with database.begin() as conn:
        found = Rows.over(conn.connection.driver_connection)
        assert found.one("select count(*) from runs where exit = 'cancelled'") == len(NAMES) * 2


def test_who_spends_waits_for_the_day_of_the_tenant_alone(database: Database) -> None:
    with database.begin() as conn:
        rows = Rows(conn.connection.driver_connection)
        rows.insert("tenant_limits", tenant_id=TENANT, set_by="operator:tests", usd_per_day=5)
        rows.do(
            "insert into tenant_days values"
            " ('another', today(), 0), ('default', '2020-01-01', 0), ('default', today(), 0)"
        )
        run_id = running(rows)
    with database.begin() as held:
        others = Rows.over(held.connection.driver_connection)
        others.do("select from tenant_days where tenant_id = 'another' or day < today() for update")
        with database.begin() as conn:
            rows = Rows.over(conn.connection.driver_connection)
            rows.do("set local lock_timeout = '2s'")
            assert reserve(rows, run_id)["said"] == "reserved"
