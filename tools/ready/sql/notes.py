"""What the tools note in the user's database, in the same transaction as what they do there.

One row a call, by its id. It says that the call happened and what it came to; it holds the rows as
they were, for the undo; and no second start gets past it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ...gated import NotDone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from .connection import UserDatabase

TABLE = "interlock_calls"
_MAKE = f"""
create table if not exists {TABLE} (
  call_id varchar(36) primary key,
  state varchar(8) not null check (state in ('done', 'given_up', 'undone')),
  result text not null,
  touched text
)
"""
_CLAIM = f"""
insert into {TABLE} (call_id, state, result) values (:call_id, :state, 'null')
on conflict (call_id) do nothing
"""
_FIND = f"select state, result, touched from {TABLE} where call_id = :call_id"
_SETTLE = f"update {TABLE} set result = :result, touched = :touched where call_id = :call_id"
_UNDO = f"update {TABLE} set state = 'undone' where call_id = :call_id and state = 'done'"


@dataclass(frozen=True, slots=True)
class Touched:
    """The rows that a call changed, as exact images by their keys."""

    table: list[str]
    shape: list[str]
    before: Mapping[str, str]
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """What is noted of a call: `done`, `given_up` or `undone`."""

    state: str
    result: Any
    touched: Touched | None


def make(database: UserDatabase) -> None:
    """Have the table there.

    Raises:
        NotDone: it is not there, and the role may not make it.
    """
    with database.reading() as conn:
        if sa.inspect(conn).has_table(TABLE):
            return
    try:
        with database.writing() as conn:
            conn.exec_driver_sql(_MAKE)
    except NotDone as error:
        with database.reading() as conn:
            if sa.inspect(conn).has_table(TABLE):  # somebody else was quicker
                return
        raise NotDone(
            f"The table '{TABLE}', where calls are noted, cannot be made: {error} "
            f"Have it made: {' '.join(_MAKE.split())}"
        ) from None


def claim(conn: sa.Connection, call_id: UUID, state: str) -> Note | None:
    """Note a call, before it does anything; what was noted of it before, if anything was.

    It waits for another start of the same call that is under way.
    """
    row = {"call_id": str(call_id)}
    if conn.execute(sa.text(_CLAIM), {**row, "state": state}).rowcount == 1:
        return None
    return find(conn, call_id)


def find(conn: sa.Connection, call_id: UUID) -> Note | None:
    """What is noted of a call."""
    found = conn.execute(sa.text(_FIND), {"call_id": str(call_id)}).one_or_none()
    if found is None:
        return None
    touched = None if found.touched is None else Touched(**json.loads(found.touched))
    return Note(found.state, json.loads(found.result), touched)


def settle(conn: sa.Connection, call_id: UUID, result: Any, touched: Touched | None) -> None:
    """Note what a call came to, and the rows that it changed."""
    kept = touched and json.dumps(
        {
            "table": touched.table,
            "shape": touched.shape,
            "before": dict(touched.before),
            "after": dict(touched.after),
        }
    )
    values = {"call_id": str(call_id), "result": json.dumps(result, default=str), "touched": kept}
    conn.execute(sa.text(_SETTLE), values)


def mark_undone(conn: sa.Connection, call_id: UUID) -> None:
    """Note that a call was taken back."""
    conn.execute(sa.text(_UNDO), {"call_id": str(call_id)})
