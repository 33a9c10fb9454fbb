"""The rental company's database: production tables, and a staging schema with some clutter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from .rental_data import TODAY, make_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

    from psycopg import Connection, Cursor

Environment = Literal["production", "staging"]

SCHEMA = """
create schema staging;
create schema trash;
create table branches (id int primary key, name text not null unique);
create table vehicles (
    id int primary key, plate text not null unique, model text not null, class text not null,
    branch_id int not null references branches
);
create table customers (
    id int primary key, name text not null, email text not null unique, joined_on date not null
);
create table bookings (
    id text primary key, customer_id int not null references customers,
    vehicle_id int not null references vehicles, branch_id int not null references branches,
    pick_up date not null, give_back date not null, price_cents int not null,
    status text not null check (
        status in ('returned', 'on rent', 'confirmed', 'unconfirmed', 'cancelled')),
    booked_on date not null
);
create table vehicle_positions (
    vehicle_id int not null references vehicles, at timestamp not null,
    latitude numeric(8, 5) not null, longitude numeric(8, 5) not null, fuel_percent int not null,
    primary key (vehicle_id, at)
);
create table staging.bookings (
    id text primary key, customer text not null, changed_on date not null
);
create table staging.import_2025_11 (line int primary key, raw text not null);
"""
# What the trackers sent: a position for each vehicle every three hours, back from the story's day.
POSITIONS = """
insert into vehicle_positions
select v.id, %s::date - n * interval '3 hours',
       53.5 + (v.id * 31 + n * 17) %% 1000 / 4000.0, 9.9 + (v.id * 47 + n * 29) %% 1000 / 4000.0,
       (v.id * 13 + n * 7) %% 100
from vehicles v, generate_series(1, 100) n
"""
IMPORT = """
insert into staging.import_2025_11
select n, 'RB-' || 18000 + n || ';imported' from generate_series(1, 640) n
"""
# Each table with the condition under which a row was already there on a day.
DUMPS = {
    "branches": "true",
    "vehicles": "true",
    "customers": "joined_on <= {day}",
    "bookings": "booked_on <= {day}",
    "vehicle_positions": "at <= {day}",
}
COPY_OUT = """
copy (select * from {table} where {was_there} order by 1, 2) to stdout (format csv, header)
"""
FIND = {
    "production": """
        select b.id, c.name as customer, c.email, br.name as branch, b.pick_up, b.status
        from bookings b join customers c on c.id = b.customer_id
                        join branches br on br.id = b.branch_id
        where (%(status)s::text is null or b.status = %(status)s)
        order by b.pick_up, b.id""",
    "staging": """
        select b.id, b.customer, b.changed_on, null as status
        from staging.bookings b where %(status)s::text is null order by b.changed_on, b.id""",
}


def build(url: str) -> bool:
    """Make the tables and their rows, all or nothing; False if they were there."""
    with psycopg.connect(url) as conn:
        conn.execute("select pg_advisory_xact_lock(20260425)")
        if conn.execute("select to_regclass('public.customers')").fetchone() != (None,):
            return False
        conn.execute(SCHEMA)
        rows = make_rows()
        for table, content in vars(rows).items():
            _copy_in(conn.cursor(), table, content)
        conn.execute(POSITIONS, (TODAY,))
        conn.execute(IMPORT)
    return True


def _copy_in(cursor: Cursor[Any], table: str, rows: Iterable[tuple[object, ...]]) -> None:
    place = table.split("_", 1) if table.startswith("staging_") else [table]
    with cursor.copy(sql.SQL("copy {} from stdin").format(sql.Identifier(*place))) as copy:
        for row in rows:
            copy.write_row(row)


def dump(url: str, folder: Path, day: date) -> None:
    """Write the production tables, as they were on that day, as CSV files."""
    folder.mkdir(parents=True)
    with psycopg.connect(url) as conn:
        for table, condition in DUMPS.items():
            query = sql.SQL(COPY_OUT).format(
                table=sql.Identifier(table),
                was_there=sql.SQL(condition).format(day=sql.Literal(day)),
            )
            with (
                (folder / f"{table}.csv").open("wb") as file,
                conn.cursor().copy(query) as copy,
            ):
                file.writelines(copy)


def find_bookings(
    url: str, environment: Environment, status: str | None, limit: int
) -> dict[str, Any]:
    """The first bookings of that status, and how many there are."""
    with psycopg.connect(url, row_factory=dict_row) as conn:
        rows = conn.execute(FIND[environment], {"status": status}).fetchall()
    return {"found": len(rows), "bookings": [_plain(row) for row in rows[:limit]]}


def survey_staging(url: str, stale_before: date) -> dict[str, Any]:
    """How much of the staging schema nobody needs."""
    with psycopg.connect(url) as conn:
        total, stale = _one(
            conn.execute(
                "select count(*), count(*) filter (where changed_on < %s) from staging.bookings",
                (stale_before,),
            )
        )
        others = conn.execute(
            "select tablename from pg_tables where schemaname = 'staging'"
            " and tablename <> 'bookings' order by 1"
        ).fetchall()
        orphaned = {name: _count(conn, name) for (name,) in others}
    return {"bookings": total, "stale": stale, "orphaned_tables": orphaned}


def archive_stale(url: str, stale_before: date, archive: str) -> int:
    """Move stale staging bookings into the table `trash.<archive>`; return how many."""
    table = sql.Identifier("trash", archive)
    with psycopg.connect(url) as conn:
        conn.execute(sql.SQL("create table {} (like staging.bookings)").format(table))
        moved = conn.execute(
            sql.SQL(
                "with moved as (delete from staging.bookings where changed_on < %s returning *)"
                " insert into {} select * from moved"
            ).format(table),
            (stale_before,),
        )
        return moved.rowcount


def restore_archived(url: str, archive: str) -> None:
    """Move the rows of `trash.<archive>` back and drop the empty table."""
    table = sql.Identifier("trash", archive)
    with psycopg.connect(url) as conn:
        conn.execute(sql.SQL("insert into staging.bookings select * from {}").format(table))
        conn.execute(sql.SQL("drop table {}").format(table))


def move_table(url: str, table: str, *, source: str, target: str) -> None:
    """Move a table to another schema.

    Raises:
        ValueError: there is no such table to move.
    """
    if table == "bookings":
        raise ValueError("The staging bookings are in use; archive the stale ones instead.")
    move = sql.SQL("alter table {} set schema {}")
    with psycopg.connect(url) as conn:
        try:
            conn.execute(move.format(sql.Identifier(source, table), sql.Identifier(target)))
        except psycopg.errors.UndefinedTable:
            raise ValueError(f"There is no table {source}.{table}.") from None


def count_customers_among(url: str, addresses: list[str]) -> int:
    """How many of these e-mail addresses belong to customers."""
    with psycopg.connect(url) as conn:
        found = conn.execute(
            "select count(*) from customers where email = any(%s)", (sorted(set(addresses)),)
        )
        return int(_one(found)[0])


def _count(conn: Connection[Any], table: str) -> int:
    query = sql.SQL("select count(*) from {}").format(sql.Identifier("staging", table))
    return int(_one(conn.execute(query))[0])


def _one(cursor: Cursor[Any]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("The rental database gave no row.")
    return tuple(row)


def _plain(row: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in row.items() if value is not None}
