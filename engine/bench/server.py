"""The PostgreSQL that all contenders share, with a database for each of them."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ..database import Database
from ..embedded import EmbeddedPostgres
from ..errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "interlock_bench"
"""What the names of all its databases begin with."""

DATA_PREFIX = ".server-"
"""What the folder of a server's data begins with, in the folder of the report."""

_STORED = """
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
"""
_WAL = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
_DROP = "drop database if exists {} with (force)"


@dataclass(frozen=True, slots=True)
class Written:
    """What a database holds, with its indexes, and what its server has logged, in bytes."""

    stored: int
    wal: int

    def since(self, before: Written) -> Written:
        """What was added."""
        return Written(self.stored - before.stored, self.wal - before.wal)


class Server:
    """A server, reached through one of its databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"{PREFIX}_{secrets.token_hex(4)}"

    @contextmanager
    def databases(self, names: Iterable[str]) -> Iterator[dict[str, str]]:
        """The address of an empty database for each name; they are dropped when the block ends."""
        with ExitStack() as stack:
            urls = {}
            for name in names:
                database = f"{self._prefix}_{name}"
                self._do("create database {}", database)
                stack.callback(self._do, _DROP, database)
                urls[name] = url_of(self.url, database)
            yield urls

    def settle(self) -> None:
        """Write out what earlier measurements left in memory, so that the next does not pay."""
        with (
            suppress(psycopg.errors.InsufficientPrivilege),
            psycopg.connect(self.url, autocommit=True) as conn,
        ):
            conn.execute("checkpoint")

    def version(self) -> str:
        """The server's version, as it says it."""
        with psycopg.connect(self.url) as conn:
            return str(_one(conn, "select current_setting('server_version')"))

    def _do(self, statement: str, database: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(sql.SQL(statement).format(sql.Identifier(database)))


@contextmanager
def own_server(folder: Path) -> Iterator[Server]:
    """An embedded PostgreSQL with its default settings, on the disk of `folder`, for the block."""
    with (
        TemporaryDirectory(dir=folder, prefix=DATA_PREFIX) as place,
        EmbeddedPostgres(Path(place) / "postgres") as postgres,
    ):
        yield Server(postgres.url)


@contextmanager
def configured_server(url: str | None) -> Iterator[Server]:
    """The server that the settings name; its other databases are left alone.

    Raises:
        DatabaseUnavailable: none is named, or it must not be used.
    """
    if url is None:
        raise DatabaseUnavailable(
            "INTERLOCK_DATABASE_URL is not set, so there is no server for --configured-server."
        )
    database = Database(url)
    database.check()
    database.close()
    yield Server(url)


def written(url: str) -> Written:
    """What there is in the database at `url`."""
    with psycopg.connect(url) as conn:
        return Written(_one(conn, _STORED), _one(conn, _WAL))


def url_of(url: str, database: str) -> str:
    """The address of another database on the same server, in the form that every driver reads."""
    parts = {name: value for name, value in conninfo_to_dict(url).items() if name != "dbname"}
    return f"postgresql:///{database}?{urlencode(parts, quote_via=quote)}"


def _one(conn: psycopg.Connection[Any], query: str) -> Any:
    row = conn.execute(query).fetchone()
    return row[0] if row else None
