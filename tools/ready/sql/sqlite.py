"""Rows of a SQLite table, kept value by value with the type that each is stored as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ...gated import NotDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import sqlalchemy as sa

    from .change import Change

_HIDDEN = (2, 3)
"""What `pragma table_xinfo` calls generated columns."""


class SqliteRows:
    """As `Rows`."""

    def __init__(self, conn: sa.Connection, table: tuple[str, ...]) -> None:
        self._conn = conn
        if table[:-1] not in ((), ("main",)):
            raise NotDone(f"The schema '{table[0]}' is not the database's own.")
        found = self._ask("select name, sql from sqlite_schema where type = 'table'")
        named = {name.lower(): (name, sql or "") for name, sql in found}
        if table[-1] not in named:
            raise NotDone(f"There is no table '{table[-1]}'.")
        self._plain, self._sql = named[table[-1]]
        self.table = ["main", self._plain]
        columns = self._ask("select * from pragma_table_xinfo(?)", (self._plain,))
        self.shape = [f"{column[1]} {column[2]}" for column in columns]
        self._all = [column[1] for column in columns]
        self._stored = [column[1] for column in columns if column[6] not in _HIDDEN]
        self._key = [column[1] for column in sorted(columns, key=lambda c: c[5]) if column[5]]
        self._name = f"main.{_quoted(self._plain)}"

    def check(self) -> None:
        if why := self._why_not():
            raise NotDone(
                f"A change of {self._name} cannot be taken back: {why}. Nothing was done."
            )

    def _why_not(self) -> str | None:
        if not self._key:
            return "it has no primary key"
        sql = self._sql.lower()
        if sql.startswith("create virtual"):
            return "it is not an ordinary table"
        if "conflict" in sql:
            return "it may put rows in the place of others"
        if self._triggers():
            return "it has triggers, whose work would stay"
        return (
            "other tables' rows are changed or deleted with its rows" if self._cascades() else None
        )

    def _triggers(self) -> bool:
        found = self._ask(
            "select 1 from sqlite_schema where type = 'trigger' and lower(tbl_name) = ?",
            (self._plain.lower(),),
        )
        return bool(found)

    def _cascades(self) -> bool:
        found = self._ask(
            "select 1 from sqlite_schema s, pragma_foreign_key_list(s.name) f"
            " where s.type = 'table' and lower(f.\"table\") = ?"
            " and not (f.on_delete in ('NO ACTION', 'RESTRICT')"
            " and f.on_update in ('NO ACTION', 'RESTRICT'))",
            (self._plain.lower(),),
        )
        return bool(found)

    def matching(self, condition: str | None, most: int) -> list[str]:
        rows = self._ask(f"select {self._columns()}{self._from(condition)} limit {most + 1}")
        return sorted(map(_packed, rows))

    def held(self, condition: str | None, most: int) -> dict[str, str]:
        # nobody else writes: the transaction was begun as an immediate one
        rows = self._ask(f"select {self._columns()}{self._from(condition)} limit {most + 1}")
        return self._by_key(rows)

    def run(self, change: Change) -> dict[str, str]:
        return self._by_key(self._ask(f"{change.text}\nreturning {self._columns()}"))

    def now(self, images: Mapping[str, str]) -> dict[str, str]:
        query = f"select {self._columns()} from {self._name} where {self._same}"
        return self._by_key(
            row for image in images.values() for row in self._ask(query, self._key_of(image))
        )

    def insert(self, images: Mapping[str, str]) -> None:
        names = ", ".join(map(_quoted, self._stored))
        marks = ", ".join("?" * len(self._stored))
        for image in images.values():
            values = dict(zip(self._all, _unpacked(image), strict=True))
            self._ask(
                f"insert into {self._name} ({names}) values ({marks})",
                tuple(values[name] for name in self._stored),
            )

    def update(self, images: Mapping[str, str]) -> None:
        others = [name for name in self._stored if name not in self._key]
        sets = ", ".join(f"{_quoted(name)} = ?" for name in others)
        for image in images.values() if others else ():
            values = dict(zip(self._all, _unpacked(image), strict=True))
            self._ask(
                f"update {self._name} set {sets} where {self._same}",
                (*(values[name] for name in others), *self._key_of(image)),
            )

    def delete(self, images: Mapping[str, str]) -> None:
        for image in images.values():
            self._ask(f"delete from {self._name} where {self._same}", self._key_of(image))

    @property
    def _same(self) -> str:
        return " and ".join(f"{_quoted(name)} is ?" for name in self._key)

    def _columns(self) -> str:
        return ", ".join(map(_quoted, self._all))

    def _from(self, condition: str | None) -> str:
        return f" from {self._name}" + (f" where (\n{condition}\n)" if condition else "")

    def _by_key(self, rows: Iterable[Sequence[Any]]) -> dict[str, str]:
        images = (_packed(row) for row in rows)
        return {_packed(self._key_of(image)): image for image in images}

    def _key_of(self, image: str) -> tuple[Any, ...]:
        values = dict(zip(self._all, _unpacked(image), strict=True))
        return tuple(values[name] for name in self._key)

    def _ask(self, query: str, values: tuple[Any, ...] | None = None) -> list[Any]:
        answer = self._conn.exec_driver_sql(query, values)
        return list(answer) if answer.returns_rows else []


def _packed(row: Iterable[Any]) -> str:
    """A row's values with their types, exactly."""
    return json.dumps([[type(value).__name__, _plain(value)] for value in row])


def _plain(value: Any) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes | float) else str(value)


_TYPES: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float.fromhex,
    "str": str,
    "bytes": bytes.fromhex,
}


def _unpacked(image: str) -> tuple[Any, ...]:
    return tuple(
        None if kind == "NoneType" else _TYPES[kind](value) for kind, value in json.loads(image)
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
