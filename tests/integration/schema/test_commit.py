"""What holds at a real commit, and between transactions that run side by side."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from attack import Trigger
from psycopg.errors import GeneratedAlways
from rows import Rows
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from rows import Call

SETTINGS = ("off", "local", "remote_write", "on")


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url)


def seed(url: str) -> tuple[Call, UUID]:
    """A waiting call, and another run."""
    with connect(url) as conn:
        rows = Rows(conn)
        return rows.held(), rows.run("running")


class Later(Rows):
    """Rows over a connection to a database that was seeded before."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self.conn = conn
        self.silent = False


@pytest.mark.parametrize("table", ["runs", "calls", "approvals"])
def test_a_move_without_an_entry_does_not_commit(table: str, database_url: str) -> None:
    call, run_id = seed(database_url)
    moved = {"runs": run_id, "calls": call.id, "approvals": call.approval_id}[table]
    column = "status" if table == "runs" else "state"
    read = f"select {column} from {table} where id = %(id)s"  # noqa: S608
    conn = connect(database_url)
    rows = Later(conn)
    before = rows.one(read, id=moved)
    rows.silent = True
    if table == "runs":
        rows.end(run_id)
    else:
        assert call.approval_id is not None
        rows.silent = table == "approvals"
        rows.close(call.approval_id, "cancelled")
        rows.silent = table == "calls"
        rows.move("calls", call.id, "cancelled")
    with pytest.raises(psycopg.Error, match="without an audit entry"):
        conn.commit()
    assert rows.one(read, id=moved) == before
    conn.close()


@pytest.mark.parametrize("table", ["runs", "calls"])
def test_a_birth_without_an_entry_does_not_commit(table: str, database_url: str) -> None:
    _, run_id = seed(database_url)
    with connect(database_url) as conn:
        rows = Later(conn)
        rows.silent = True
        born = rows.run() if table == "runs" else rows.propose(run_id).id
        with pytest.raises(psycopg.Error, match="without an audit entry"):
            conn.commit()
        count = f"select count(*) from {table} where id = %(id)s"  # noqa: S608
        assert rows.one(count, id=born) == 0


def test_an_entry_of_an_earlier_transaction_does_not_count(database_url: str) -> None:
    _, run_id = seed(database_url)
    with connect(database_url) as conn:
        rows = Later(conn)
        rows.audit("run.ended", subject=run_id, state="ended")
        conn.commit()
        rows.silent = True
        rows.end(run_id)
        with pytest.raises(psycopg.Error, match="became ended without an audit entry"):
            conn.commit()


def test_a_second_start_needs_its_own_entry(database_url: str) -> None:
    _, run_id = seed(database_url)
    with connect(database_url) as conn:
        rows = Later(conn)
        call = rows.propose(run_id, recovery="again")
        rows.start(call)
        conn.commit()
        rows.silent = True
        rows.start(call)
        with pytest.raises(psycopg.Error, match="became executing without an audit entry"):
            conn.commit()
        rows.silent = False
        rows.start(call)
        conn.commit()


@pytest.mark.parametrize(("stamped", "kept"), [(True, False), (False, True)])
def test_when_and_in_which_transaction_an_entry_was_written_is_not_for_its_writer_to_say(
    stamped: bool,  # noqa: FBT001
    kept: bool,  # noqa: FBT001
    rows: Rows,
) -> None:
    if not stamped:
        rows.without(Trigger("audit_log", "stamp", ""))
    rows.audit("some.thing", xact="999999999", at="2001-01-01")
    assert rows.one("select xact = '999999999' from audit_log order by seq desc limit 1") is kept
    assert rows.one("select at = '2001-01-01' from audit_log order by seq desc limit 1") is kept


def test_an_entry_cannot_choose_its_place(rows: Rows) -> None:
    with pytest.raises(GeneratedAlways):
        rows.audit("some.thing", seq=1)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_transaction_with_an_entry_commits_synchronously(setting: str, database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute(f"set synchronous_commit = {setting}")
        conn.commit()
        rows = Later(conn)
        rows.audit("some.thing")
        show = "select current_setting('synchronous_commit')"
        assert rows.one(show) == ("on" if setting == "off" else setting)
        conn.commit()
        assert rows.one(show) == setting


def test_it_would_not_without_the_trigger(database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute("set synchronous_commit = off")
        rows = Later(conn)
        rows.without(Trigger("audit_log", "commit_synchronously", ""))
        rows.audit("some.thing")
        assert rows.one("select current_setting('synchronous_commit')") == "off"


@pytest.mark.parametrize("locked", [True, False])
def test_a_decision_waits_for_who_is_closing_its_approval(
    locked: bool,  # noqa: FBT001
    database_url: str,
) -> None:
    """Without the lock, the decision is recorded on an approval that was closed meanwhile."""
    call, _ = seed(database_url)
    assert call.approval_id is not None
    if not locked:
        _take_lock_away(database_url)
    with connect(database_url) as closing, ThreadPoolExecutor() as threads:
        rows = Later(closing)
        rows.close(call.approval_id, "cancelled")
        rows.move("calls", call.id, "cancelled")
        deciding = threads.submit(_decide, database_url, call.approval_id)
        if locked:
            _until_blocked(database_url, closing.info.backend_pid)
        else:
            deciding.result(timeout=20)
        closing.commit()
        if locked:
            with pytest.raises(psycopg.Error, match="not open to this reviewer"):
                deciding.result(timeout=20)
        decisions = rows.one("select count(*) from decisions")
        assert decisions == (0 if locked else 1)


def _decide(url: str, approval_id: UUID) -> None:
    with connect(url) as conn:
        Later(conn).decide(approval_id, id=uuid7())


def _until_blocked(url: str, by: int) -> None:
    blocked = "select count(*) from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    with psycopg.connect(url, autocommit=True) as watching:
        for _ in range(400):
            row = watching.execute(blocked, (by,)).fetchone()
            if row is not None and row[0]:
                return
            time.sleep(0.05)
    pytest.fail("The decision did not wait.")


def _take_lock_away(url: str) -> None:
    with connect(url) as conn:
        row = conn.execute("select pg_get_functiondef('decisions_guard'::regproc)").fetchone()
        assert row is not None
        assert row[0].count("for share of a") == 1
        conn.execute(row[0].replace("for share of a", ""))
