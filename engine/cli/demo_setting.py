"""What the demo needs before it starts: its databases, the world in them, a reviewer."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from .. import accounts, schema
from ..database import Database, first_line, redact
from ..embedded import EmbeddedPostgres
from ..errors import DatabaseUnavailable, SchemaOutdated, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..settings import Settings

RENTAL = "rental"
OWN = "interlock_demo"
MARK = "Made by `interlock demo`, which drops it with --fresh."
REVIEWER = "dana"
GROUP = "on-call"
BY = "operator:demo"
_NEW = "interlock_demo_new_"


@dataclass(frozen=True)
class Server:
    """The PostgreSQL server that holds the demo's databases."""

    admin_url: str
    embedded: EmbeddedPostgres | None

    def url(self, name: str) -> str:
        """The address of one of its databases."""
        return make_conninfo(self.admin_url, dbname=name)

    def tend(self) -> None:
        """Start the embedded server again should it have died."""
        if self.embedded is not None:
            self.embedded.start()

    def create(self, name: str) -> None:
        """Make the database if it is not there.

        Raises:
            UsageError: there is one that no demo made, or making one is not permitted.
        """
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            if _is_ours(conn, name):
                return
            new = sql.Identifier(_NEW + name)
            try:
                conn.execute(sql.SQL("drop database if exists {}").format(new))
                conn.execute(sql.SQL("create database {}").format(new))
            except psycopg.errors.InsufficientPrivilege:
                raise UsageError(
                    f"The demo may not create its database '{name}' on this server. Give the user"
                    " of INTERLOCK_DATABASE_URL the right CREATEDB, or unset it: the demo then"
                    " brings its own PostgreSQL."
                ) from None
            # Only a marked one gets the name.
            conn.execute(sql.SQL("comment on database {} is {}").format(new, sql.Literal(MARK)))
            conn.execute(
                sql.SQL("alter database {} rename to {}").format(new, sql.Identifier(name))
            )

    def drop(self, name: str) -> None:
        """Drop the database if it is there.

        Raises:
            UsageError: no demo made it.
        """
        with psycopg.connect(self.admin_url, autocommit=True) as conn:
            if _is_ours(conn, name):
                statement = sql.SQL("drop database {} with (force)")
                conn.execute(statement.format(sql.Identifier(name)))


def _is_ours(conn: psycopg.Connection[tuple[object, ...]], name: str) -> bool:
    found = conn.execute(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", (name,)
    ).fetchone()
    if found is not None and found != (MARK,):
        raise UsageError(
            f"There is a database '{name}' on this server that no demo made; the demo would need"
            " that name. Use another server, or unset INTERLOCK_DATABASE_URL: the demo then brings"
            " its own PostgreSQL."
        )
    return found is not None


@contextmanager
def open_server(settings: Settings) -> Iterator[Server]:
    """The server that the settings name, or the embedded one, until the block ends.

    Raises:
        DatabaseUnavailable: it cannot be reached or must not be used.
    """
    if settings.database_url is None:
        with EmbeddedPostgres(settings.home / "postgres") as embedded:
            yield Server(embedded.url, embedded)
        return
    database = Database(settings.database_url)
    database.check()
    database.close()
    yield Server(settings.database_url, None)


def begin_anew(server: Server, folder: Path) -> None:
    """Drop the demo's databases and its folder.

    The audit log lets no row go, so a new beginning is a new database.
    """
    server.drop(OWN)
    server.drop(RENTAL)
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_own_database(server: Server) -> Iterator[Database]:
    """Interlock's tables of the demo, with this version's schema.

    Raises:
        DatabaseUnavailable: it cannot be reached or must not be used.
    """
    try:
        server.create(OWN)
        server.create(RENTAL)
    except psycopg.Error as error:
        raise DatabaseUnavailable(
            f"The demo cannot set up its databases on the server {redact(server.admin_url)}:"
            f" {first_line(error)}."
        ) from None
    database = Database(server.url(OWN), pool_size=2)
    try:
        database.check()
        try:
            schema.require_current(database)
        except SchemaOutdated:
            schema.migrate(database)
        yield database
    finally:
        database.close()


def reviewer_password(database: Database, tenant: str, folder: Path) -> str:
    """The account of the demo's reviewer, and the password as it is in the folder.

    Raises:
        UsageError: the account is there and its password is not.
    """
    path = folder / "password"
    with database.begin() as conn:
        known = {reviewer.name for reviewer in accounts.list_reviewers(conn, tenant)}
    if REVIEWER in known:
        if not path.exists():
            raise UsageError(
                f"The demo's databases are on this server, and {path} with the reviewer's password"
                " is not. Begin anew with: interlock demo --fresh"
            )
        return path.read_text("utf-8").strip()
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(12))
    password = path.read_text("utf-8").strip()
    accounts.add_reviewer(
        database, tenant=tenant, name=REVIEWER, password=password, groups=[GROUP], by=BY
    )
    return password


def ensure_token(database: Database, tenant: str, folder: Path) -> Path:
    """A working API token of the reviewer in `token`; return the file."""
    path = folder / "token"
    if path.exists():
        with database.begin() as conn:
            owner = accounts.token_reviewer(conn, path.read_text("utf-8").strip(), tenant=tenant)
        if owner is not None and owner.name == REVIEWER:
            return path
    _, secret = accounts.add_token(
        database, tenant=tenant, reviewer=REVIEWER, label="interlock demo", by=BY
    )
    write_secret(path, secret)
    return path


def write_secret(path: Path, text: str) -> None:
    """A whole file that only its owner reads, or none."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
    part.rename(path)
