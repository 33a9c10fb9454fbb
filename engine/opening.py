"""Opening the database that the settings name, for as long as a process needs it."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import structlog
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from . import schema
from .database import Database
from .embedded import EmbeddedPostgres
from .errors import DatabaseUnavailable, SchemaOutdated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import Settings

log = structlog.get_logger()

# A server that died is back within this many seconds.
REVIVE_SECONDS = 1.0


@contextmanager
def open_database(settings: Settings, *, migrate: bool) -> Iterator[Database]:
    """The database, reachable and with this version's schema, until the block ends.

    Without a `database_url` the embedded PostgreSQL is started, and started again should it die.

    Raises:
        DatabaseUnavailable: it cannot be reached or must not be used.
        SchemaOutdated: its schema is another version's and `migrate` is false.
    """
    with ExitStack() as stack:
        _check(settings, migrate=migrate)
        url = settings.database_url or stack.enter_context(_embedded(settings))
        database = Database(url)
        stack.callback(database.close)
        database.check()
        if migrate:
            schema.migrate(database)
        else:
            schema.require_current(database)
        yield database


def _check(settings: Settings, *, migrate: bool) -> None:
    """Refuse what cannot come to anything before something is started or asked."""
    if settings.database_url is not None:
        try:
            conninfo_to_dict(settings.database_url)
        except ProgrammingError:
            # its own message would repeat the password
            raise DatabaseUnavailable(
                "INTERLOCK_DATABASE_URL is no address of a PostgreSQL, such as"
                " postgresql://user:password@host/name."
            ) from None
    elif not migrate and not (settings.home / "postgres" / "data").exists():
        raise SchemaOutdated(
            f"There is no database under {settings.home} yet, and INTERLOCK_DATABASE_URL is not"
            " set. Run: interlock db migrate"
        )


@contextmanager
def _embedded(settings: Settings) -> Iterator[str]:
    with EmbeddedPostgres(settings.home / "postgres") as postgres:
        ended = threading.Event()
        keeper = threading.Thread(
            target=_keep_alive, args=(postgres, ended), name="postgres-keeper", daemon=True
        )
        keeper.start()
        try:
            yield postgres.url
        finally:
            ended.set()
            keeper.join()


def _keep_alive(postgres: EmbeddedPostgres, ended: threading.Event) -> None:
    while not ended.wait(REVIVE_SECONDS):
        try:
            postgres.start()
        except DatabaseUnavailable as error:
            log.error("postgres.not_revived", error=str(error))  # noqa: TRY400 - a sentence says it
