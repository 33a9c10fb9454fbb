"""A database of the user's: one connection a call, with its limits set by the database itself."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ...classify.sql.dialects import find_dialect
from ...gated import NotDone
from ...spec import ToolDeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ...classify.sql.dialects import Dialect

_STEPS = 10_000
"""Of SQLite's machine between two looks at the clock."""
_PLAIN = {"no_parameters": True}
"""A `%` in a statement is a `%`."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a statement may run, and how long it may wait for a lock, in seconds."""

    statement: float
    lock: float


class UserDatabase:
    """Opens a connection for each call and closes it after: no session outlives its call.

    Raises:
        ToolDeclarationError: no rule tells what a statement does in its dialect.
    """

    def __init__(self, url: str | sa.URL, patience: Patience) -> None:
        address = sa.make_url(url)
        if address.drivername in {"postgresql", "postgres"}:
            address = address.set(drivername="postgresql+psycopg")
        dialect = find_dialect(address.get_backend_name())
        if dialect is None:
            raise ToolDeclarationError(
                f"What a statement does is not known for '{address.get_backend_name()}'."
            )
        self.dialect: Dialect = dialect
        self._patience = patience
        self._engine = sa.create_engine(address, poolclass=NullPool)
        if self.is_sqlite:
            sa.event.listen(self._engine, "connect", self._open_sqlite)

    @property
    def is_postgres(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.dialect.name == "postgres"

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite."""
        return self.dialect.name == "sqlite"

    @property
    def is_undoable(self) -> bool:
        """Whether changes can be noted, and taken back, in their own transaction."""
        return self.is_postgres or self.is_sqlite

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that the database keeps from writing, rolled back at the end.

        Raises:
            NotDone: the database refused, or took too long.
        """
        with self._transaction(read_only=True) as conn:
            yield conn

    @contextmanager
    def trying(self) -> Iterator[sa.Connection]:
        """A transaction that may write and is rolled back at the end."""
        with self._transaction(read_only=False) as conn:
            yield conn

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end.

        Raises:
            NotDone: the database refused, so nothing of it was done.
            sqlalchemy.exc.DBAPIError: the connection was lost, so nobody knows.
        """
        with self._transaction(read_only=False) as conn:
            yield conn
            conn.commit()

    @contextmanager
    def _transaction(self, *, read_only: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect().execution_options(**_PLAIN) as conn:
                self._begin(conn, read_only=read_only)
                yield conn
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                raise
            raise NotDone(f"The database refused: {first_line(error)}.") from None

    def _begin(self, conn: sa.Connection, *, read_only: bool) -> None:
        conn.begin()
        if self.is_sqlite:
            conn.exec_driver_sql("begin" if read_only else "begin immediate")
            if read_only:
                conn.exec_driver_sql("pragma query_only = on")
        elif self.is_postgres:
            if read_only:
                conn.exec_driver_sql("set transaction read only")
            # the output of times and bytes, so that a row's text can be read back as it was
            conn.exec_driver_sql("set local datestyle = 'ISO'")
            conn.exec_driver_sql("set local intervalstyle = 'postgres'")
            conn.exec_driver_sql("set local bytea_output = 'hex'")
            conn.exec_driver_sql("set local extra_float_digits = 1")
            statement, lock = (
                int(seconds * 1000) for seconds in (self._patience.statement, self._patience.lock)
            )
            conn.exec_driver_sql(f"set local statement_timeout = {statement}")
            conn.exec_driver_sql(f"set local lock_timeout = {lock}")
            conn.exec_driver_sql(f"set local idle_in_transaction_session_timeout = {statement}")

    def _open_sqlite(self, raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # transactions begin where this module says
        raw.execute(f"pragma busy_timeout = {int(self._patience.lock * 1000)}")
        ends = time.monotonic() + self._patience.statement
        raw.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)


def first_line(error: sa.exc.DBAPIError) -> str:
    """What the database said, without the statement."""
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return lines[0].rstrip(".")
