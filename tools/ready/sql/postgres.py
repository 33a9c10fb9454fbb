"""Rows of a PostgreSQL table, kept as the text of the whole row, as `pg_dump` keeps values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ...gated import NotDone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .change import Change

_FIND = """
select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relhasrules,
  c.relrowsecurity, c.relispartition,
  exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) as triggers,
  exists (select from pg_inherits i where c.oid in (i.inhparent, i.inhrelid)) as inherits,
  exists (select from pg_constraint f where f.confrelid = c.oid and f.contype = 'f'
          and (f.confdeltype not in ('a', 'r') or f.confupdtype not in ('a', 'r'))) as cascades
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = to_regclass(:name)
"""
_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attgenerated <> '' as generated,
  coalesce(a.attnum = any(k.indkey), false) as in_key
from pg_attribute a
left join pg_index k on k.indrelid = a.attrelid and k.indisprimary
where a.attrelid = :oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
_REASONS = {
    "triggers": "it has triggers, whose work would stay",
    "relhasrules": "it has rules, whose work would stay",
    "cascades": "other tables' rows are changed or deleted with its rows",
    "inherits": "it is part of other tables, or others of it",
    "relrowsecurity": "its row-level policies may hide rows",
}


class PostgresRows:
    """As `Rows`."""

    def __init__(self, conn: sa.Connection, table: tuple[str, ...]) -> None:
        self._conn = conn
        written = ".".join(map(_quoted, table))
        found = conn.execute(sa.text(_FIND), {"name": written}).mappings().one_or_none()
        if found is None:
            raise NotDone(f"There is no table {written}.")
        self._found = found
        self.table = [found["nspname"], found["relname"]]
        columns = conn.execute(sa.text(_COLUMNS), {"oid": found["oid"]}).mappings().all()
        self.shape = [f"{column['attname']} {column['type']}" for column in columns]
        self._key = [column["attname"] for column in columns if column["in_key"]]
        self._stored = [column["attname"] for column in columns if not column["generated"]]
        self._name = ".".join(map(_quoted, self.table))
        self._plain = _quoted(found["relname"])

    def check(self) -> None:
        found = self._found
        why = next((said for name, said in _REASONS.items() if found[name]), None)
        if found["relkind"] != "r":
            why = "it is not an ordinary table"
        elif not self._key:
            why = why or "it has no primary key"
        if why:
            raise NotDone(
                f"A change of {self._name} cannot be taken back: {why}. Nothing was done."
            )

    def matching(self, condition: str | None, most: int) -> list[str]:
        row = f"row({self._plain}.*)::text"
        return list(self._ask(f"select {row}{self._from(condition)} order by 1 limit {most + 1}"))

    def held(self, condition: str | None, most: int) -> dict[str, str]:
        return self._images(
            f"select {self._pair()}{self._from(condition)} limit {most + 1} for update"
        )

    def run(self, change: Change) -> dict[str, str]:
        return self._images(f"{change.text}\nreturning {self._pair()}")

    def now(self, images: Mapping[str, str]) -> dict[str, str]:
        return self._images(
            f"select {self._pair()} from {self._name} join {self._given} on {self._same}"
            f" for update of {self._plain}",
            images,
        )

    def insert(self, images: Mapping[str, str]) -> None:
        names = ", ".join(map(_quoted, self._stored))
        values = ", ".join(f"(given.r).{_quoted(name)}" for name in self._stored)
        self._write(
            f"insert into {self._name} ({names}) overriding system value"
            f" select {values} from {self._given}",
            images,
        )

    def update(self, images: Mapping[str, str]) -> None:
        others = [name for name in self._stored if name not in self._key]
        if others:
            sets = ", ".join(f"{_quoted(name)} = (given.r).{_quoted(name)}" for name in others)
            self._write(
                f"update {self._name} set {sets} from {self._given} where {self._same}", images
            )

    def delete(self, images: Mapping[str, str]) -> None:
        self._write(f"delete from {self._name} using {self._given} where {self._same}", images)

    @property
    def _given(self) -> str:
        """The images as rows; `%s` takes them."""
        return f"(select x::{self._name} as r from unnest(%s::text[]) as x) as given"

    @property
    def _same(self) -> str:
        return " and ".join(
            f"{self._plain}.{_quoted(name)} = (given.r).{_quoted(name)}" for name in self._key
        )

    def _pair(self) -> str:
        key = ", ".join(f"{self._plain}.{_quoted(name)}" for name in self._key)
        return f"row({key})::text, row({self._plain}.*)::text"

    def _from(self, condition: str | None) -> str:
        return f" from {self._name}" + (f" where (\n{condition}\n)" if condition else "")

    def _ask(self, query: str) -> list[str]:
        return list(self._conn.exec_driver_sql(query).scalars())

    def _images(self, query: str, images: Mapping[str, str] | None = None) -> dict[str, str]:
        rows = self._conn.exec_driver_sql(query) if images is None else self._with(query, images)
        return dict(iter(rows))

    def _write(self, query: str, images: Mapping[str, str]) -> None:
        self._with(query, images)

    def _with(self, query: str, images: Mapping[str, str]) -> Any:
        # a name may hold a `%`
        escaped = query.replace("%", "%%").replace("%%s::text[]", "%s::text[]")
        return self._conn.exec_driver_sql(escaped, (list(images.values()),))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
