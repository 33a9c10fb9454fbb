# ruff: noqa: S608 - statements are put together from the test's own words
"""The SQL tools on PostgreSQL and SQLite: rows come back exactly, and the database bounds reads."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from interlock.tools import Effect, Happened, NotDone, ToolDeclarationError
from interlock.tools.ready import sql_tools
from interlock.tools.ready.sql import notes
from interlock.tools.ready.sql.postgres import PostgresRows
from interlock.tools.ready.sql.work import Work
from pydantic import ValidationError
from sqlalchemy.pool import NullPool
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Hands

POSTGRES = """
create type mood as enum ('sad', 'ok');
create table bookings (
  id bigint generated always as identity primary key, name text unique, pad char(6), data bytea,
  at timestamptz, price numeric, ratio double precision, doc jsonb, tags text[], mood mood,
  span interval, "Odd %s "" name" text, double_price numeric generated always as (price * 2) stored
);
insert into bookings (name, pad, data, at, price, ratio, doc, tags, mood, span, "Odd %s "" name")
values ('a', 'x ', '\\x00ff', '2026-01-01 10:00:00.123456+02', 1.500, 0.1::float8 + 0.2,
        '{"a": [1, null]}', '{"x,y",null}', 'ok', '1 mon -2 days', '"(,)\\'),
       ('b', null, null, null, 'NaN', 'Infinity', null, '{}', null, null, ''),
       ('c', '', '', 'infinity', 0, '-0', '{}', null, 'sad', '0', null);
create table plain (value int);
create table parents (id int primary key);
create table children (id int primary key, parent int references parents on delete cascade);
create table watched (id int primary key);
create function watch() returns trigger language plpgsql as 'begin return new; end';
create trigger watch before insert on watched for each row execute function watch();
"""
SQLITE = """
create table bookings (id integer primary key, name text unique, price, data blob, at);
insert into bookings values (1, 'a', 0.1 + 0.2, x'00ff', 9007199254740993),
  (2, 'b', null, null, 'ü'),
  (3, 'c', 1e999, x'', '12');
create table plain (value int);
create table parents (id int primary key);
create table children (id int primary key, parent int references parents on delete cascade);
create table watched (id int primary key);
create trigger watch after insert on watched begin insert into plain values (1); end;
create table replacing (id int primary key, n int unique on conflict replace);
"""


@dataclass
class World:
    """A database of the user's, and the tools for it."""

    url: str
    tools: Hands
    engine: sa.Engine

    @property
    def is_postgres(self) -> bool:
        return self.url.startswith("postgres")

    def rows(self, table: str = "bookings") -> list[str]:
        """All rows, as exactly as the database can say them."""
        with self.engine.connect() as conn:
            if self.is_postgres:
                query = f"select row({table}.*)::text from {table} order by 1"
                return list(conn.exec_driver_sql(query).scalars())
            names = conn.exec_driver_sql(f"select name from pragma_table_info('{table}')").scalars()
            exact = ", ".join(f"typeof({n}), quote({n}), hex({n})" for n in names)
            return sorted(map(repr, conn.exec_driver_sql(f"select {exact} from {table}")))

    def execute(self, statement: str) -> None:
        with self.engine.begin() as conn:
            conn.exec_driver_sql(statement)


@pytest.fixture(params=["postgres", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path, hands: type[Hands]) -> Iterator[World]:
    if request.param == "postgres":
        url = str(request.getfixturevalue("empty_database_url"))
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute(POSTGRES)
        engine = sa.create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool
        )
    else:
        url = f"sqlite:///{tmp_path / 'data.db'}"
        engine = sa.create_engine(url, poolclass=NullPool)
        with engine.begin() as conn:
            conn.connection.executescript(SQLITE)  # type: ignore[attr-defined]
    tools = sql_tools(url, most_rows=10, most_bytes=5_000, seconds=2, lock_seconds=0.3)
    yield World(url, hands(tools), engine)
    engine.dispose()


CHANGES = [
    "update bookings set price = 7, name = name || '!' where name <> 'b'",
    "delete from bookings where name in ('a', 'b')",
    "DELETE FROM bookings;",
    "insert into bookings (name, price) values ('d%', 1), ('e', null) -- a comment",
    "update bookings set data = null, at = null where price is null or id > 0",
    "update bookings set name = 'x' where id = -1",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_a_change_that_is_undone_leaves_no_trace(world: World, statement: str) -> None:
    before, call = world.rows(), uuid7()
    state = world.tools.fingerprint("sql_change", statement=statement)
    assert world.tools.effect("sql_change", statement=statement).effect is Effect.REVERSIBLE
    world.tools.call("sql_change", call, statement=statement)
    assert (world.rows() != before) is ("-1" not in statement)
    world.tools.undo("sql_change", call, statement=statement)
    assert world.rows() == before
    assert world.tools.fingerprint("sql_change", statement=statement) == state
    world.tools.undo("sql_change", call, statement=statement)
    assert world.rows() == before


def test_a_second_start_of_a_call_does_nothing_again(world: World) -> None:
    call, statement = uuid7(), "update bookings set price = price + 1 where name = 'c'"
    once = world.tools.call("sql_change", call, statement=statement)
    after = world.rows()
    assert world.tools.call("sql_change", call, statement=statement) == once == {"changed": 1}
    assert world.rows() == after
    assert world.tools.verify("sql_change", call, statement=statement) == Happened(once)


def test_a_change_that_broke_off_left_nothing_and_never_happens_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, call, statement = world.rows(), uuid7(), CHANGES[0]

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    for step in (notes.settle, notes.claim):
        with monkeypatch.context() as broken:
            broken.setattr(notes, step.__name__, break_off)
            with pytest.raises(KeyboardInterrupt):
                world.tools.call("sql_change", call, statement=statement)
        assert world.rows() == before
    assert world.tools.verify("sql_change", call, statement=statement) is False
    with pytest.raises(NotDone, match="given up"):
        world.tools.call("sql_change", call, statement=statement)
    assert world.rows() == before
    world.tools.undo("sql_change", call, in_doubt=True, statement=statement)
    assert world.rows() == before


@pytest.mark.parametrize("is_done", [True, False])
def test_where_the_connection_is_lost_the_database_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    world.tools.call("sql_change", statement=CHANGES[5])
    before, call, real = world.rows(), uuid7(), sa.Connection.commit
    losses = iter(
        [sa.exc.OperationalError("commit", None, OSError("gone"), connection_invalidated=True)]
    )

    def lose(conn: sa.Connection) -> None:
        lost = next(losses, None)
        if is_done or lost is None:
            real(conn)
        if lost is not None:
            raise lost

    monkeypatch.setattr(sa.Connection, "commit", lose)
    if is_done:
        assert world.tools.call("sql_change", call, statement=CHANGES[0]) == {"changed": 2}
    else:
        with pytest.raises(NotDone, match="connection was lost: gone"):
            world.tools.call("sql_change", call, statement=CHANGES[0])
    assert (world.rows() != before) is is_done


def test_an_undo_that_breaks_off_left_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, call, statement = world.rows(), uuid7(), CHANGES[1]
    world.tools.call("sql_change", call, statement=statement)
    after = world.rows()

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(notes, "mark_undone", break_off)
        with pytest.raises(KeyboardInterrupt):
            world.tools.undo("sql_change", call, statement=statement)
    assert world.rows() == after
    world.tools.undo("sql_change", call, in_doubt=True, statement=statement)
    assert world.rows() == before


@pytest.mark.parametrize(
    ("statement", "by_others"),
    [
        (CHANGES[0], "update bookings set at = null where name = 'a!'"),
        (CHANGES[0], "delete from bookings where name = 'a!'"),
        (CHANGES[3], "update bookings set price = 2 where name = 'e'"),
    ],
)
def test_rows_that_others_changed_since_are_left_as_they_are(
    world: World, statement: str, by_others: str
) -> None:
    call = uuid7()
    world.tools.call("sql_change", call, statement=statement)
    world.execute(by_others)
    before = world.rows()
    with pytest.raises(NotDone, match="changed after the call"):
        world.tools.undo("sql_change", call, statement=statement)
    assert world.rows() == before


def test_a_deleted_row_whose_place_was_taken_does_not_come_back_over_it(world: World) -> None:
    call, statement = uuid7(), "delete from bookings where name = 'a'"
    world.tools.call("sql_change", call, statement=statement)
    overriding = "overriding system value" if world.is_postgres else ""
    world.execute(f"insert into bookings (id, name) {overriding} values (1, 'other')")
    with pytest.raises(NotDone, match="changed after"):
        world.tools.undo("sql_change", call, statement=statement)
    world.execute("delete from bookings where id = 1")
    world.execute("insert into bookings (name) values ('a')")
    before = world.rows()
    with pytest.raises(NotDone, match="database refused"):
        world.tools.undo("sql_change", call, statement=statement)
    assert world.rows() == before


def test_a_table_of_another_shape_takes_no_rows_back(world: World) -> None:
    call, statement = uuid7(), CHANGES[1]
    world.tools.call("sql_change", call, statement=statement)
    world.execute("alter table bookings add column more int")
    with pytest.raises(NotDone, match="columns are others"):
        world.tools.undo("sql_change", call, statement=statement)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("insert into plain values (1)", "no primary key"),
        ("insert into watched values (1)", "triggers"),
        ("delete from parents", "other tables"),
        ("delete from missing", "no table"),
    ],
)
def test_a_change_that_could_not_be_taken_back_is_not_made(
    world: World, statement: str, why: str
) -> None:
    with pytest.raises(NotDone, match=why):
        world.tools.call("sql_change", statement=statement)
    assert why in world.tools.preview("sql_change", statement=statement)["Would be refused"]
    assert world.rows("plain") == []


def test_a_constraint_that_replaces_rows_is_not_touched(world: World) -> None:
    if world.is_postgres:
        pytest.skip("PostgreSQL has no such constraint")
    with pytest.raises(NotDone, match="in the place of others"):
        world.tools.call("sql_change", statement="insert into replacing values (1, 1)")


def test_a_change_of_a_key_is_not_made(world: World) -> None:
    statement = "update parents set id = id + 1"
    world.execute("insert into parents values (1)")
    world.execute("drop table children")
    with pytest.raises(NotDone, match="keys would change"):
        world.tools.call("sql_change", statement=statement)
    assert world.tools.call("sql_query", statement="select * from parents") == [{"id": 1}]


@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "drop table bookings",
        "update bookings set price = 1 from plain where true",
        "update bookings b set price = 1",
        "delete from bookings using plain",
        "delete from bookings returning *",
        "insert into bookings (name) select name from bookings",
        "insert into bookings (name) values ('a') on conflict do nothing",
        "insert or replace into bookings (name) values ('a')",
        "with x as (select 1) delete from bookings",
        "update bookings set price = 1; drop table bookings",
        "delete from bookings where id in (delete from plain returning 1)",
        "delete from interlock_calls",
        'delete from "interlock_calls"',
        "update bookings set name = (select call_id from interlock_calls)",
        "",
    ],
)
def test_what_is_no_plain_change_is_refused_before_anybody_is_asked(
    world: World, statement: str
) -> None:
    with pytest.raises(ValidationError):
        world.tools.typed("sql_change", statement=statement)


def test_a_change_of_too_many_rows_is_not_made(world: World) -> None:
    many = ", ".join(f"('r{n}')" for n in range(11))
    with pytest.raises(NotDone, match="more than 10 rows"):
        world.tools.call("sql_change", statement=f"insert into bookings (name) values {many}")
    world.execute(f"insert into bookings (name) values {many}")
    before = world.rows()
    with pytest.raises(NotDone, match="more than 10 rows"):
        world.tools.call("sql_change", statement="delete from bookings")
    with pytest.raises(NotDone, match="more than 10 rows"):
        world.tools.call("sql_query", statement="select name from bookings")
    assert world.rows() == before


def test_a_preview_shows_the_rows_and_changes_none(world: World) -> None:
    before = world.rows()
    shown = world.tools.preview("sql_change", statement=CHANGES[0])
    assert shown["Rows"].startswith("2 of ")
    assert "a!" in shown["Row 1"]
    shown = world.tools.preview("sql_execute", statement="delete from bookings")
    assert shown["Rows"].startswith("3 of ")
    assert "every row" in shown["Effect"]
    assert "drops" in world.tools.preview("sql_execute", statement="drop table plain")["Effect"]
    assert world.rows() == before


def test_a_fingerprint_notices_a_row_that_changed(world: World) -> None:
    asked = {"statement": "delete from bookings where name = 'a'"}
    first = world.tools.fingerprint("sql_execute", **asked)
    world.execute("update bookings set price = 99 where name = 'b'")
    assert world.tools.fingerprint("sql_execute", **asked) == first
    world.execute("update bookings set price = 99 where name = 'a'")
    assert world.tools.fingerprint("sql_execute", **asked) != first
    assert world.tools.fingerprint("sql_execute", statement="drop table plain") is None


def test_reads_are_kept_from_writing_by_the_database_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match="only reads"):
        world.tools.typed("sql_query", statement="delete from bookings")
    # as where the rules had taken it for a read
    monkeypatch.setattr(Work, "only_reads", lambda _self, statement: statement)
    body = world.tools.body("sql_query").run
    assert body is not None
    with pytest.raises(NotDone, match=r"read-?\s?only|readonly"):
        body({"statement": "delete from bookings"}, {"config": {}, "run_manager": None})
    assert len(world.rows()) == 3


def test_a_read_answers_plain_values(world: World) -> None:
    rows = world.tools.call(
        "sql_query", statement="select name, name like '%a%' as has_a from bookings order by name"
    )
    assert [row["name"] for row in rows] == ["a", "b", "c"]
    assert world.tools.effect("sql_query", statement="select 1").effect is Effect.READ
    json.dumps(world.tools.call("sql_query", statement="select name, price, data from bookings"))


def test_a_statement_is_ended_after_its_time(world: World) -> None:
    endless = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    )
    with pytest.raises(NotDone, match=r"timeout|interrupted"):
        world.tools.call("sql_query", statement=endless)


def test_a_lock_is_not_waited_for_long(world: World) -> None:
    held, go = threading.Event(), threading.Event()
    locked = "update bookings set price = 5" if world.is_postgres else "begin immediate"

    def hold() -> None:
        with world.engine.connect() as conn:
            if not world.is_postgres:
                conn.connection.isolation_level = None  # type: ignore[attr-defined]
            conn.exec_driver_sql(locked)
            held.set()
            go.wait(20)

    thread = threading.Thread(target=hold)
    world.tools.call("sql_change", statement="update bookings set price = 1 where id = -1")
    thread.start()
    held.wait(20)
    try:
        with pytest.raises(NotDone, match="lock"):
            world.tools.call("sql_change", statement="delete from bookings")
    finally:
        go.set()
        thread.join()
    assert len(world.rows()) == 3


def test_an_execution_for_good_happens_once_and_can_be_told(world: World) -> None:
    call, asked = uuid7(), {"statement": "insert into plain values (1)"}
    assert world.tools.effect("sql_execute", **asked).effect is Effect.IRREVERSIBLE
    assert world.tools.call("sql_execute", call, **asked) == {"changed": 1}
    assert world.tools.call("sql_execute", call, **asked) == {"changed": 1}
    assert len(world.rows("plain")) == 1
    assert world.tools.verify("sql_execute", call, **asked) == Happened({"changed": 1})
    with pytest.raises(NotDone, match="database refused"):
        world.tools.call("sql_execute", statement="insert into missing values (1)")
    with pytest.raises(ValidationError):
        world.tools.typed("sql_execute", statement="select 1; drop table plain")
    read = world.tools.call("sql_execute", statement="select value from plain")
    assert read == {"rows": [{"value": 1}]}


def test_a_call_whose_commit_is_under_way_is_waited_for(world: World) -> None:
    """A look at a call in doubt is not fooled by its transaction still being open."""
    if not world.is_postgres:
        pytest.skip("SQLite has one writer")
    call, asked = uuid7(), {"statement": "insert into plain values (1)"}
    world.tools.call("sql_execute", statement="insert into plain values (0)")
    with world.engine.connect() as conn:
        notes.claim(conn, call, "done")
        with pytest.raises(NotDone, match="lock"):
            world.tools.verify("sql_execute", call, **asked)
        conn.rollback()
    assert world.tools.verify("sql_execute", call, **asked) is False


def test_a_row_that_came_between_the_look_and_the_change_stops_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not world.is_postgres:
        pytest.skip("SQLite has one writer")
    real = PostgresRows.held

    def held_and_more(rows: PostgresRows, condition: str | None, most: int) -> dict[str, str]:
        found = real(rows, condition, most)
        world.execute("insert into bookings (name) values ('late')")
        return found

    monkeypatch.setattr(PostgresRows, "held", held_and_more)
    with pytest.raises(NotDone, match="not the ones that were kept"):
        world.tools.call("sql_change", statement="delete from bookings")
    assert len(world.rows()) == 4


def test_names_are_found_as_the_database_finds_them(world: World) -> None:
    if world.is_postgres:
        world.execute('create table "Upper" (id int primary key)')
        world.execute("create schema other")
        world.execute("create table other.bookings (id int primary key)")
        world.tools.call("sql_change", statement='insert into "Upper" values (1)')
        world.tools.call("sql_change", statement="insert into other.bookings values (1)")
        with pytest.raises(NotDone, match="no table"):
            world.tools.call("sql_change", statement="insert into Upper values (2)")
    world.tools.call("sql_change", statement="delete from BOOKINGS where Name = 'a'")
    assert len(world.rows()) == 2


def test_a_database_whose_dialect_is_not_known_is_refused() -> None:
    with pytest.raises(ToolDeclarationError, match="not known for"):
        sql_tools("cockroachdb://localhost/x")
