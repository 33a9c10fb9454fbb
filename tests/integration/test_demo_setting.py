"""The demo's databases on a server that may be somebody's: nothing foreign is used or dropped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
import pytest
from interlock.engine import accounts
from interlock.engine.cli import demo_setting as setting
from interlock.engine.errors import UsageError
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from interlock.engine.database import Database
    from interlock.engine.embedded import EmbeddedPostgres

TENANT = "default"


@pytest.fixture
def server(postgres: EmbeddedPostgres) -> setting.Server:
    return setting.Server(postgres.url, None)


@pytest.fixture
def name(server: setting.Server) -> Iterator[str]:
    """A name for a database, free before and after."""
    unused = f"d_{uuid4().hex}"
    yield unused
    run(server, f"drop database if exists {unused}")


def run(server: setting.Server, statement: str) -> None:
    with psycopg.connect(server.admin_url, autocommit=True) as conn:
        conn.execute(statement)


def databases(server: setting.Server) -> set[str]:
    with psycopg.connect(server.admin_url) as conn:
        return {row[0] for row in conn.execute("select datname from pg_database")}


@contextmanager
def user_without_rights(server: setting.Server) -> Iterator[setting.Server]:
    role = f"r_{uuid4().hex}"
    run(server, f"create role {role} login")
    yield setting.Server(make_conninfo(server.admin_url, user=role), None)
    run(server, f"drop role {role}")


def test_a_database_is_made_once_and_dropped(server: setting.Server, name: str) -> None:
    server.create(name)
    with psycopg.connect(server.url(name)) as conn:
        conn.execute("create table kept ()")
    server.create(name)
    with psycopg.connect(server.url(name)) as conn:
        conn.execute("table kept")
    server.drop(name)
    assert name not in databases(server)
    server.drop(name)


def test_a_database_that_no_demo_made_is_neither_used_nor_dropped(
    server: setting.Server, name: str
) -> None:
    run(server, f"create database {name}")
    with pytest.raises(UsageError, match="no demo made"):
        server.create(name)
    with pytest.raises(UsageError, match="no demo made"):
        server.drop(name)
    assert name in databases(server)


def test_a_half_made_database_does_not_stand_in_the_way(server: setting.Server, name: str) -> None:
    run(server, f"create database interlock_demo_new_{name}")
    server.create(name)
    assert name in databases(server)
    assert f"interlock_demo_new_{name}" not in databases(server)


def test_without_the_right_to_make_databases_it_says_so(server: setting.Server, name: str) -> None:
    with user_without_rights(server) as poor, pytest.raises(UsageError, match="CREATEDB"):
        poor.create(name)
    assert name not in databases(server)


def test_the_account_and_its_secrets_are_made_once(database: Database, tmp_path: Path) -> None:
    password = setting.reviewer_password(database, TENANT, tmp_path)
    assert setting.reviewer_password(database, TENANT, tmp_path) == password
    assert accounts.sign_in(database, tenant=TENANT, name="dana", password=password)
    path = setting.ensure_token(database, TENANT, tmp_path)
    token = path.read_text()
    assert setting.ensure_token(database, TENANT, tmp_path).read_text() == token
    with database.begin() as conn:
        owner = accounts.token_reviewer(conn, token.strip(), tenant=TENANT)
    assert owner is not None
    assert (owner.name, owner.groups) == ("dana", ("on-call",))


def test_a_token_that_does_not_work_is_replaced(database: Database, tmp_path: Path) -> None:
    setting.reviewer_password(database, TENANT, tmp_path)
    (tmp_path / "token").write_text("il_made-up\n")
    token = setting.ensure_token(database, TENANT, tmp_path).read_text().strip()
    with database.begin() as conn:
        assert accounts.token_reviewer(conn, token, tenant=TENANT) is not None


def test_an_account_whose_password_is_lost_is_a_sentence(
    database: Database, tmp_path: Path
) -> None:
    setting.reviewer_password(database, TENANT, tmp_path)
    (tmp_path / "password").unlink()
    with pytest.raises(UsageError, match="interlock demo --fresh"):
        setting.reviewer_password(database, TENANT, tmp_path)
