"""The schema is brought up once, by whoever comes first, and checked before it is used."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from interlock.engine import schema
from interlock.engine.database import Database
from interlock.engine.errors import SchemaOutdated
from rows import Rows
from sqlalchemy.dialects import postgresql
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATE = """
import sys
from interlock.engine.database import Database
from interlock.engine.schema import migrate
migrate(Database(sys.argv[1]))
"""


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    fresh = Database(empty_database_url)
    yield fresh
    fresh.close()


def tables(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


def test_a_migrated_database_can_be_migrated_again(empty: Database) -> None:
    schema.migrate(empty)
    first = tables(empty)
    schema.migrate(empty)
    schema.require_current(empty)
    assert tables(empty) == first >= {"runs", "calls", "approvals", "decisions", "audit_log"}


def test_a_second_migration_keeps_the_rows(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(schema.policies.insert().values(digest="a" * 64, text="permit"))
    schema.migrate(database)
    with database.begin() as conn:
        assert conn.execute(sa.select(schema.policies.c.text)).scalars().all() == ["permit"]


def test_four_threads_can_migrate_at_once(empty_database_url: str, empty: Database) -> None:
    databases = [Database(empty_database_url) for _ in range(4)]
    threads = [
        threading.Thread(target=schema.migrate, args=[each], daemon=True) for each in databases
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    schema.require_current(empty)
    for each in databases:
        each.close()


@pytest.mark.slow
def test_four_processes_can_migrate_at_once(empty_database_url: str, empty: Database) -> None:
    command = [sys.executable, "-c", MIGRATE, empty_database_url]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0, 0], said
    schema.require_current(empty)


def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    with empty.begin() as conn:
        conn.exec_driver_sql("create table sessions (in_the_way integer)")
    with pytest.raises(psycopg.errors.DuplicateTable):
        schema.migrate(empty)
    assert tables(empty) == {"sessions"}
    with empty.begin() as conn:
        conn.exec_driver_sql("drop table sessions")
    schema.migrate(empty)
    schema.require_current(empty)


def test_runs_under_way_on_langgraphs_own_saver_are_not_migrated_over(empty: Database) -> None:
    alembic_to(empty, "0001")
    with empty.begin() as conn:
        conn.exec_driver_sql("create table checkpoints (thread_id text)")
        rows = Rows(conn.connection.driver_connection)
        run_id = rows.run("running")
        conn.exec_driver_sql("insert into checkpoints values (%s)", (str(run_id),))
    with pytest.raises(SchemaOutdated, match=r"^Not migrated: runs are under way .* began them\.$"):
        schema.migrate(empty)
    assert "steps" not in tables(empty)
    with empty.begin() as conn:
        conn.exec_driver_sql("delete from checkpoints where thread_id = %s", (str(run_id),))
    schema.migrate(empty)
    assert {"steps", "checkpoints"} <= tables(empty)


def test_calls_and_approvals_of_before_get_their_times(empty: Database) -> None:
    alembic_to(empty, "0002")
    with empty.begin() as conn:
        rows = Rows(conn.connection.driver_connection)
        rows.has_times = False
        sent = rows.call("executing", recovery="same_key")
        rows.change("calls", sent.id, started_at="2026-01-01T00:00:00Z")
        waits = rows.call("waiting")
    schema.migrate(empty)
    with empty.begin() as conn:
        query = "select send_before, key_until, send_within, key_life from calls where id = %s"
        send_before, key_until, within, life = conn.exec_driver_sql(query, (sent.id,)).one()
        assert (within, life) == (timedelta(minutes=1), timedelta(hours=1))
        began = datetime(2026, 1, 1, tzinfo=UTC)
        assert (send_before, key_until) == (began + within, began + life)
        assert conn.exec_driver_sql(query, (waits.id,)).one() == (None, None, within, None)
        query = "select use_within from approvals where id = %s"
        assert conn.exec_driver_sql(query, (waits.approval_id,)).scalar_one() == timedelta(days=1)


def test_runs_under_way_before_there_were_costs_go_on(empty: Database) -> None:
    alembic_to(empty, "0013")
    with empty.begin() as conn:
        rows = Rows(conn.connection.driver_connection)
        run_id = rows.run("running")
        held, queued, reply_id = rows.held(), rows.run(), uuid7()
        kept = {"ns": "", "key": b"k", "ordinal": 0, "content": b"said"}
        columns = {"model": "m", "input_tokens": 7, "output_tokens": None, **kept}
        rows.insert("replies", tenant_id="default", run_id=run_id, id=reply_id, **columns)
    schema.migrate(empty)
    with empty.begin() as conn:
        rows = Rows.over(conn.connection.driver_connection)
        rows.silent = False
        query = "select content, usd, reserved_usd, price, is_folded from replies where id = %(id)s"
        assert rows.do(query, id=reply_id).fetchone() == (b"said", 0, 0, "unknown", False)
        reserve = "select reserve_reply('default', %(run)s, 1, %(id)s, 'm', 'p', 1, 1, %(usd)s)"
        for usd, said in ((1, "reserved"), ("0.01", "refused")):
            answer = rows.one(reserve, run=run_id, id=uuid7(), usd=usd)
            assert answer["said"] == said
        rows.do(
            "update replies set ns = null, key = null, ordinal = null, content = null"
            " where id = %(id)s",
            id=reply_id,
        )
        assert rows.one("select has_room('default', %(id)s)", id=held.run_id)
        query = "select together from approvals where id = %(id)s"
        assert rows.one(query, id=held.approval_id) is False
        rows.step(held, "approved")
        query = "select wants_room or fallback is not null from runs where id = %(id)s"
        assert rows.one(query, id=queued) is False
        rows.settle()
    with (
        empty.begin() as conn,
        pytest.raises(psycopg.errors.Error, match="what a reply cost cannot change"),
    ):
        Rows.over(conn.connection.driver_connection).change("replies", reply_id, usd=1)


def alembic_to(database: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("interlock.engine.migrations")))
    with database.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, revision)


def test_an_empty_database_is_refused_with_the_command_to_run(empty: Database) -> None:
    with pytest.raises(SchemaOutdated, match=r"is at nothing .* Run: interlock db migrate$"):
        schema.require_current(empty)


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.begin() as conn:
        conn.exec_driver_sql("update alembic_version set version_num = '9999'")
    for ask in (schema.require_current, schema.migrate):
        with pytest.raises(SchemaOutdated, match=r"is at 9999, newer than the \d{4}"):
            ask(database)


def test_the_schema_that_is_required_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(files("interlock.engine.migrations")))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
@pytest.mark.parametrize("table", schema._metadata.sorted_tables, ids=lambda table: table.name)
def test_the_tables_of_the_list_queries_are_those_of_the_database(
    table: sa.Table, database: Database
) -> None:
    stored = {c["name"]: c["type"] for c in sa.inspect(database.engine).get_columns(table.name)}
    assert {column.name: _spelled(column.type) for column in table.columns} == {
        column.name: _spelled(stored[column.name]) for column in table.columns
    }


def _spelled(kind: sa.types.TypeEngine[object]) -> str:
    return kind.compile(postgresql.dialect())
