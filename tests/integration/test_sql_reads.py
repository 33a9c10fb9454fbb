"""What counts as a read, tried on a PostgreSQL that refuses every write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from interlock.tools.classify.sql import classify_sql
from interlock.tools.classify.sql.calls import pure_functions
from interlock.tools.effect import Effect
from psycopg import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "data"
# What its catalogue calls immutable or stable is no promise that a list of names still holds it.
OVERLOADS = """
select proname, array_agg(provolatile) @> array['v'::"char"] as changes,
       array_agg(array(select format_type(t, null) from unnest(proargtypes) t)::text) as arguments
from pg_proc where pronamespace = 'pg_catalog'::regnamespace group by proname
"""
ONE_BY_ONE = """
select proname, array(select format_type(t, null) from unnest(proargtypes) t)
from pg_proc where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f'
"""


@pytest.fixture
def read_only(empty_database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("create table t (a int, b int, c int, d int)")
        connection.execute("insert into t values (1, 2, 3, 4)")
        connection.execute("set default_transaction_read_only = on")
        connection.execute("set statement_timeout = '20s'")
        yield connection


def _written() -> list[str]:
    files = (DATA / "corpora" / "sql_calls.jsonl", DATA / "sql" / "reads.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return [row["sql"] for row in rows if row.get("dialect", "postgres") == "postgres"]


def _ran(connection: psycopg.Connection, sql: str) -> bool:
    """Whether it ran; no matter if not, unless because it writes."""
    try:
        if sql.lower().startswith("copy"):
            with connection.cursor().copy(sql.encode()) as copy:
                list(copy)
        else:
            connection.execute(sql.encode())
    except (errors.ReadOnlySqlTransaction, errors.QueryCanceled) as error:
        raise AssertionError(sql) from error
    except psycopg.Error:
        return False
    return True


def test_no_read_writes(read_only: psycopg.Connection) -> None:
    reads = [sql for sql in _written() if classify_sql(sql).effect is Effect.READ]
    ran = [sql for sql in reads if _ran(read_only, sql)]
    assert len(ran) > 50


def test_no_function_that_is_held_for_pure_writes(read_only: psycopg.Connection) -> None:
    called = 0
    for name, types in read_only.execute(ONE_BY_ONE).fetchall():
        sql = f'select "{name}"({", ".join(f"null::{of}" for of in types)})'
        if classify_sql(sql).effect is Effect.READ:
            called += _ran(read_only, sql)
    assert called > 1500


def test_the_list_of_functions_is_true_of_the_server(read_only: psycopg.Connection) -> None:
    server = {name: (changes, types) for name, changes, types in read_only.execute(OVERLOADS)}
    folder = Path(__file__).parents[2] / "tools" / "classify" / "sql" / "functions"
    volatile = set((folder / "postgres_volatile.txt").read_text("utf-8").split("\n"))
    for name in pure_functions("postgres"):
        changes, types = server[name]
        assert changes == (name in volatile), name
        assert "internal" not in " ".join(types), name
