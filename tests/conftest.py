"""One embedded PostgreSQL for the whole session, and a database of its own for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
import structlog
from argon2 import PasswordHasher
from interlock.engine import accounts, schema
from interlock.engine.database import Database
from interlock.engine.embedded import EmbeddedPostgres

sys.path.insert(0, str(Path(__file__).parent))
from forked_cli import CommandLine, ForkServer

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = "interlock_template"
# The weakest that argon2 takes: tests make many accounts.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
# As the engine logs. Rich's tracebacks, structlog's default, took a third of the tests' time.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)


@dataclass(frozen=True)
class Account:
    """A reviewer with the password in clear."""

    name: str
    password: str
    groups: tuple[str, ...]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The session's server, shared by all workers of xdist, with a migrated template."""
    root = _session_folder(tmp_path_factory.getbasetemp())
    with EmbeddedPostgres(root / "postgres") as server:
        with (root / "template.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _make_template(server)
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a fresh database with the current schema."""
    name = f"t_{uuid4().hex}"
    _admin(postgres, f"create database {name} template {TEMPLATE} strategy wal_log")
    yield postgres.database_url(name)
    _admin(postgres, f"drop database if exists {name} with (force)")


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a fresh database without a schema."""
    name = f"t_{uuid4().hex}"
    _admin(postgres, f"create database {name}")
    yield postgres.database_url(name)
    _admin(postgres, f"drop database if exists {name} with (force)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with the current schema."""
    fresh = Database(database_url)
    yield fresh
    fresh.close()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """What the command line's processes are forked from."""
    server = ForkServer()
    yield server
    server.end()


@pytest.fixture
def bare_cli(fork_server: ForkServer, tmp_path: Path) -> CommandLine:
    """The command line without a database, in an empty folder."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
    return CommandLine(fork_server, tmp_path, environ)


@pytest.fixture
def cli(bare_cli: CommandLine, database_url: str) -> CommandLine:
    """The command line on the test's database."""
    return replace(bare_cli, environ={**bare_cli.environ, "INTERLOCK_DATABASE_URL": database_url})


@pytest.fixture
def reviewer(database: Database) -> Account:
    """Dana, who is on call."""
    dana = Account("dana", "a password for dana", ("on-call",))
    accounts.add_reviewer(
        database,
        tenant="default",
        name=dana.name,
        password=dana.password,
        groups=dana.groups,
        by="operator:tests",
        hasher=CHEAP,
    )
    return dana


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pytest keeps the folders of three sessions; the cluster in them is of no use to anyone."""
    if not hasattr(session.config, "workerinput"):
        factory = session.config._tmp_path_factory  # type: ignore[attr-defined]
        shutil.rmtree(factory.getbasetemp() / "postgres", ignore_errors=True)


def _session_folder(base: Path) -> Path:
    """Where all workers of the session meet; several sessions, if the environment says so."""
    if shared := os.environ.get("INTERLOCK_TESTS_SERVER"):
        return Path(shared)
    return base.parent if base.name.startswith("popen-") else base


def _make_template(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        found = conn.execute("select from pg_database where datname = %s", (TEMPLATE,)).fetchone()
        if found is not None:
            return
        conn.execute(f"create database {TEMPLATE}_new")
        template = Database(server.database_url(f"{TEMPLATE}_new"))
        schema.migrate(template)
        template.close()
        # only a whole one has the name
        conn.execute(f"alter database {TEMPLATE}_new rename to {TEMPLATE}")


def _admin(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(statement)
