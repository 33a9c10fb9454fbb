"""The read side: order, pages, and as few statements as there are lists."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from interlock.engine import queries
from interlock.engine.errors import NotFound, UsageError
from interlock.engine.paging import encode
from seeded_rows import VOLUME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Account
    from interlock.engine.database import Database
    from seeding import Seeds
    from sqlalchemy import Connection

MINUTE = timedelta(minutes=1)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that run in the block."""
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(database.engine, "before_cursor_execute", note)


def all_pages(read: Callable[[str | None], queries.Page[Any]]) -> list[Any]:
    """Every row, page by page."""
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        page = read(cursor)
        rows += page.items
        cursor = page.cursor
        if cursor is None:
            return rows


def test_pending_approvals_come_by_urgency_on_every_page(
    database: Database, reviewer: Account, seeds: Seeds
) -> None:
    endless = seeds.held(expires_in=None)
    soon = seeds.held(expires_in=5 * MINUTE)
    later = seeds.held(expires_in=90 * MINUTE)
    same = [seeds.held(expires_in=None) for _ in range(2)]
    broken = seeds.held()
    seeds.decide(broken, "dana", "approve")
    seeds.close(broken, "approved", by="dana")
    seeds.start(broken)
    doubt = seeds.in_doubt(broken)
    expected = [s.approval_id for s in (doubt, soon, later, endless, *same)]
    with database.begin() as conn:
        for limit in (1, 2, 4, 50):
            rows = all_pages(
                lambda cursor, limit=limit: queries.list_approvals(  # type: ignore[misc]
                    conn, tenant="default", cursor=cursor, limit=limit
                )
            )
            assert [row.id for row in rows] == expected


def test_closed_approvals_come_newest_first_on_every_page(database: Database, seeds: Seeds) -> None:
    made = [seeds.held(expires_in=-MINUTE) for _ in range(5)]
    for held in made:
        seeds.close(held, "expired")
    seeds.held()
    with database.begin() as conn:
        rows = all_pages(
            lambda cursor: queries.list_approvals(
                conn, tenant="default", status=queries.CLOSED, cursor=cursor, limit=2
            )
        )
    assert [row.id for row in rows] == [held.approval_id for held in made[::-1]]


@pytest.mark.parametrize("size", [1, 6])
def test_a_list_is_one_statement_however_long_it_is(
    database: Database, seeds: Seeds, size: int
) -> None:
    for _ in range(size):
        seeds.read(seeds.held().run_id, region="eu-west-1")
    lists: list[Callable[[Connection], Any]] = [
        lambda conn: queries.list_runs(conn, tenant="default"),
        lambda conn: queries.list_approvals(conn, tenant="default"),
        lambda conn: queries.list_approvals(conn, tenant="default", status=None),
        lambda conn: queries.list_audit(conn, tenant="default"),
        lambda conn: queries.list_tools(conn, tenant="default"),
        lambda conn: queries.list_policies(conn, tenant="default"),
    ]
    for read in lists:
        with database.begin() as conn, counted(database) as statements:
            read(conn)
        assert len(statements) == 1


def test_one_run_and_one_approval_take_a_fixed_number_of_statements(
    database: Database, seeds: Seeds
) -> None:
    run_id = seeds.run()
    for number in range(7):
        seeds.read(run_id, region=f"eu-{number}")
        held = seeds.held(run_id)
    with database.begin() as conn, counted(database) as statements:
        queries.get_run(conn, tenant="default", run_id=run_id)
    assert len(statements) == 7
    with database.begin() as conn, counted(database) as statements:
        queries.get_approval(conn, tenant="default", approval_id=held.approval_id)
    assert len(statements) == 8


def test_another_tenant_sees_nothing(database: Database, seeds: Seeds) -> None:
    held = seeds.held()
    with database.begin() as conn:
        assert queries.list_runs(conn, tenant="other").items == ()
        assert queries.list_approvals(conn, tenant="other", status=None).items == ()
        assert queries.list_audit(conn, tenant="other").items == ()
        assert queries.list_tools(conn, tenant="other") == ()
        assert queries.list_policies(conn, tenant="other") == ()
        assert queries.list_policies(conn, tenant="default") != ()
        assert queries.count_pending(conn, tenant="other") == 0
        for get in (
            lambda: queries.get_run(conn, tenant="other", run_id=held.run_id),
            lambda: queries.get_approval(conn, tenant="other", approval_id=held.approval_id),
            lambda: queries.get_audit_entry(conn, tenant="other", seq=1),
        ):
            with pytest.raises(NotFound):
                get()


def test_who_approved_is_counted_once_each_and_rejections_are_not(
    database: Database, reviewer: Account, seeds: Seeds
) -> None:
    held = seeds.held(quorum=2)
    seeds.decide(held, "dana", "approve")
    with database.begin() as conn:
        row = queries.get_approval_row(conn, tenant="default", approval_id=held.approval_id)
    assert row.approved_by == ("dana",)


def test_an_edited_call_knows_its_predecessor_and_the_edit(
    database: Database, reviewer: Account, seeds: Seeds
) -> None:
    first = seeds.held()
    smaller = {**VOLUME, "include_backups": False}
    seeds.decide(first, "dana", "edit", args=smaller)
    seeds.close(first, "superseded", by="dana")
    again = seeds.held(first.run_id, args=smaller, revises=first)
    with database.begin() as conn:
        old = queries.get_approval(conn, tenant="default", approval_id=first.approval_id)
        new = queries.get_approval(conn, tenant="default", approval_id=again.approval_id)
    assert old.successor == again.approval_id
    assert new.successor is None
    assert new.predecessor is not None
    assert new.predecessor.id == first.call_id
    assert new.edit is not None
    assert new.edit.reviewer == "dana"


def test_two_calls_of_one_run_are_not_each_other_s_successor(
    database: Database, seeds: Seeds
) -> None:
    first = seeds.held()
    seeds.held(first.run_id)
    with database.begin() as conn:
        assert queries.find_successor(
            conn, tenant="default", approval_id=first.approval_id
        ) is None  # fmt: skip


def test_the_newest_registration_of_an_agent_is_listed(database: Database, seeds: Seeds) -> None:
    seeds.fingerprint = "a" * 64
    seeds.agent()
    with database.begin() as conn:
        conn.exec_driver_sql("update agents set tools = '{}' where fingerprint = repeat('a', 64)")
        assert queries.list_tools(conn, tenant="default") == ()
        assert queries.list_agents(conn, tenant="default") == ("fleet-ops",)


def test_times_are_given_in_utc_whatever_the_session_speaks(
    database: Database, seeds: Seeds
) -> None:
    run_id = seeds.run()
    with database.begin() as conn:
        conn.exec_driver_sql("set local timezone to 'Asia/Tokyo'")
        run = queries.get_run(conn, tenant="default", run_id=run_id).run
    assert run.as_json()["created_at"].endswith("+00:00")
    assert run.as_json()["created_at"] == run.created_at.astimezone(UTC).isoformat()


@pytest.mark.parametrize(
    "cursor", ["", "x", "====", "é", encode([1]), encode(["a", "b"]), encode([]), encode([10**30])]
)
def test_a_cursor_of_another_list_is_refused(database: Database, seeds: Seeds, cursor: str) -> None:
    with database.begin() as conn:
        for read in (queries.list_runs, queries.list_approvals, queries.list_audit):
            if not cursor or (read is queries.list_audit and cursor == encode([1])):
                continue
            with pytest.raises(queries.InvalidCursor):
                read(conn, tenant="default", cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_size_within_reason(database: Database, limit: int) -> None:
    with database.begin() as conn, pytest.raises(UsageError, match="1 to 500"):
        queries.list_runs(conn, tenant="default", limit=limit)


def test_what_is_not_there_is_named(database: Database) -> None:
    missing = uuid4()
    with database.begin() as conn, pytest.raises(NotFound, match=str(missing)):
        queries.get_run(conn, tenant="default", run_id=missing)
