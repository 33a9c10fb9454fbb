"""The cap on what an agent puts to people: what counts, and many connections at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from attacks_on_room import register
from rows import Rows
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

CONNECTIONS = 24
CALLS = 72
MOST = 5


def room(rows: Rows, run_id: UUID) -> bool:
    """Whether one more call of the run may wait."""
    return bool(rows.one("select has_room('default', %(run_id)s)", run_id=run_id))


def wanting(rows: Rows, **columns: Any) -> UUID:
    """A run that waits for room."""
    later = rows.one("select now() + interval '1 hour'")
    return rows.run(**{"wants_room": True, "not_before": later, **columns})


def is_due(rows: Rows, run_id: UUID) -> bool:
    """Whether the run can be claimed now."""
    query = "select not_before <= clock_timestamp() from runs where id = %(id)s"
    return bool(rows.one(query, id=run_id))


def test_no_more_wait_than_may_however_many_ask_at_once(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        rows = Rows(conn)
        register(rows, most_pending=MOST)
        runs = [rows.run("running") for _ in range(CALLS)]

    def ask(run_id: UUID) -> bool:
        with psycopg.connect(database_url) as conn:
            theirs = copy(rows)
            theirs.conn = conn
            try:
                theirs.held(run_id)
            except psycopg.errors.Error as error:
                assert error.sqlstate == "IL008", error  # noqa: PT017 - what else would be a bug
                conn.rollback()
                return False
        return True

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        assert sum(pool.map(ask, runs)) == MOST
    with psycopg.connect(database_url) as conn:
        row = conn.execute("select count(*) from approvals where state = 'pending'").fetchone()
    assert row == (MOST,)


def test_there_is_room_without_a_cap(rows: Rows) -> None:
    register(rows, most_pending=None)
    assert room(rows, rows.held().run_id)


def test_the_cap_is_that_of_the_run_s_own_version(rows: Rows) -> None:
    register(rows)
    register(rows, fingerprint="f2", most_pending=2)
    register(rows, name="another", fingerprint="f1", most_pending=3)
    register(rows, tenant_id="another", most_pending=3)
    full = rows.held().run_id
    assert not room(rows, full)
    assert room(rows, rows.run(fingerprint="f2"))


@pytest.mark.parametrize("state", ["approved", "rejected", "expired", "cancelled", "superseded"])
def test_what_is_closed_takes_no_room(rows: Rows, state: str) -> None:
    register(rows)
    call = rows.call(state)
    assert room(rows, call.run_id)


def test_what_is_not_asked_by_the_agent_takes_no_room(rows: Rows) -> None:
    register(rows)
    call = rows.call("in_doubt")
    rows.ask(call, id=uuid7(), kind="in_doubt")
    assert room(rows, call.run_id)


def test_the_calls_of_another_tenant_take_no_room(rows: Rows) -> None:
    register(rows)
    theirs = rows.run("running", tenant_id="another")
    rows.held(theirs, tenant_id="another", asked={"tenant_id": "another"})
    assert room(rows, rows.run())
    full = rows.held().run_id
    assert rows.one("select has_room('another', %(run_id)s)", run_id=full)


def test_the_calls_of_another_agent_take_no_room(rows: Rows) -> None:
    register(rows)
    rows.held(rows.run("running", agent="another"))
    assert room(rows, rows.run())


def test_the_run_that_waited_longest_is_due_when_one_is_closed(rows: Rows) -> None:
    register(rows)
    held = rows.held()
    already_due = rows.run(wants_room=True)
    strangers = [wanting(rows, agent="another"), wanting(rows, wants_room=False)]
    ended = wanting(rows)
    rows.end(ended)
    first, second = wanting(rows), wanting(rows)
    rows.step(held, "superseded")
    assert is_due(rows, already_due)
    assert is_due(rows, first)
    assert not any(is_due(rows, run_id) for run_id in (second, ended, *strangers))
    rows.step(rows.held(), "superseded")
    assert is_due(rows, second)


def test_what_never_took_room_makes_none(rows: Rows) -> None:
    register(rows)
    doubt = rows.ask(rows.call("in_doubt"), id=uuid7(), kind="in_doubt")
    first = wanting(rows)
    rows.close(doubt, "cancelled")
    assert not is_due(rows, first)


def test_no_run_is_looked_for_where_there_is_no_cap(rows: Rows) -> None:
    register(rows, most_pending=None)
    register(rows, name="another")
    held, first = rows.held(), wanting(rows)
    rows.step(held, "superseded")
    assert not is_due(rows, first)
