"""One way to the database: connections, transactions, and statements by name."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import structlog
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from .errors import DatabaseLost, DatabaseUnavailable, InterlockError, NotRecorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection
    from sqlalchemy.engine import CursorResult
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

T = TypeVar("T")
log = structlog.get_logger()

OLDEST_SERVER = 150000
CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "prepare_threshold": None,
    "application_name": "interlock",
}
"""How every connection is made."""
_TOLD = "interlock.told"
_LAST = "interlock.last"
_LEFT = "interlock.left"
_RESTED = 1.0
"""Seconds after which a connection that nobody used is tried before it is."""


class Database:
    """A pool of connections to one PostgreSQL; every use case opens its transaction here.

    No session state is kept and no statement is prepared on the server, so that a pooler in
    transaction mode works.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=1800,
            hide_parameters=True,  # errors are logged, arguments are not
        )
        event.listen(self.engine, "checkin", _leave)
        event.listen(self.engine, "checkout", _try)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, **CONNECTION)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back on an error.

        What `tell` was told in it is logged once it is committed, and not otherwise; what `at_last`
        was given runs before it is.
        """
        with self.engine.begin() as conn:
            told = conn.info[_TOLD] = []
            conn.info[_LAST] = {}
            yield conn
            run_last(conn)
        for line, ids in told:
            log.info(line, **ids)

    def retry(self, work: Callable[[Connection], T], *, patience: float = 60.0) -> T:
        """Run `work` in a transaction, again while the connection is lost, for `patience` seconds.

        Only for work that may be repeated: the answer of a commit can be lost after it happened.

        Raises:
            DatabaseLost: it was away for longer.
        """
        deadline = time.monotonic() + patience
        pause = 0.05
        while True:
            try:
                with self.begin() as conn:
                    return work(conn)
            except DBAPIError as error:
                if not lost(error):
                    raise
                if time.monotonic() + pause > deadline:
                    raise gave_up(error) from error
                log.warning("database.lost", error=first_line(error), retry_in=pause)
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def check(self) -> None:
        """Refuse a server that cannot be reached, is too old, or does not keep what it commits.

        Raises:
            DatabaseUnavailable: with the sentence to show.
        """
        try:
            with self._connect() as conn:
                row = conn.execute(
                    "select current_setting('server_version_num')::int,"
                    " current_setting('fsync'), current_setting('full_page_writes')"
                ).fetchone()
        except psycopg.Error as error:
            raise DatabaseUnavailable(
                f"Cannot reach the database {redact(self.url)}: {first_line(error)}."
            ) from None
        version, fsync, full_page_writes = row or (0, "", "")
        if version < OLDEST_SERVER:
            raise DatabaseUnavailable(
                f"The database is PostgreSQL {version // 10000}; Interlock needs 15 or newer."
            )
        if "off" in (fsync, full_page_writes):
            raise DatabaseUnavailable(
                "The database runs with fsync or full_page_writes off and could lose decisions "
                "it acknowledged. Turn both on."
            )

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()


def _leave(_: Any, record: ConnectionPoolEntry) -> None:
    record.info[_LEFT] = time.monotonic()


def _try(connection: Any, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """Have a connection that rested replaced if it is gone; one that was just in use is not asked.

    Raises:
        DisconnectionError: it is gone; the pool takes another.
    """
    if time.monotonic() - record.info.get(_LEFT, time.monotonic()) < _RESTED:
        return
    try:
        connection.autocommit = True  # so that it is one round trip
        connection.execute("select 1")
        connection.autocommit = False
    except psycopg.Error as error:
        raise DisconnectionError(str(error)) from error


def lost(error: DBAPIError) -> bool:
    """As `is_lost`, for an error that SQLAlchemy wraps."""
    return isinstance(error.orig, psycopg.Error) and is_lost(error.orig)


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection, not the statement, failed."""
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and (
        error.sqlstate is None or error.sqlstate.startswith(("08", "57P", "53", "40"))
    )


def gave_up(error: DBAPIError | psycopg.Error) -> InterlockError:
    """What it means for a run that the database did not take what it had to write.

    What does not fit will not fit later either; everything else is for an operator to mend, and the
    run goes on once that is done.
    """
    state = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or ""
    if state.startswith(("22", "23")):
        return NotRecorded(f"The database refused what the run had to write: {first_line(error)}.")
    return DatabaseLost(f"The database cannot be used: {first_line(error)}.")


def first_line(error: Exception) -> str:
    """The first line of a driver's message, without a full stop."""
    text = str(getattr(error, "orig", None) or error).strip()
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")


def redact(url: str) -> str:
    """The URL without its password, or the word for a URL that cannot be read."""
    try:
        info = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        return "in INTERLOCK_DATABASE_URL"
    where = info.get("host") or "the local socket"
    port = f":{info['port']}" if info.get("port") else ""
    return f"'{info.get('dbname') or info.get('user') or 'postgres'}' at {where}{port}"


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text("utf-8")


def tell(conn: Connection, event: str, **ids: Any) -> None:
    """Log an event if and when the transaction is committed."""
    conn.info[_TOLD].append((event, ids))


def at_last(conn: Connection, name: str, /, **values: Any) -> None:
    """Run the statement of that name when the transaction is about to be committed.

    It takes lists: each value is added to those that the same statement was given before.
    """
    lists = conn.info[_LAST].setdefault(name, {key: [] for key in values})
    for key, value in values.items():
        lists[key].append(storable(value))


def run_last(conn: Connection) -> None:
    """Run what `at_last` was given now."""
    last, conn.info[_LAST] = conn.info[_LAST], {}
    for name, lists in last.items():
        execute(conn, name, **lists)


def execute(conn: Connection, name: str, /, **values: Any) -> CursorResult[Any]:
    """Run the statement of that name with these values."""
    return conn.exec_driver_sql(
        statement(name), {key: storable(value) for key, value in values.items()}
    )


def storable(value: Any) -> Any:
    """A text as PostgreSQL can hold it: what it cannot is shown escaped, anything else as it is.

    Texts of models, tools and people come here; none may keep a transition from being recorded.
    """
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
