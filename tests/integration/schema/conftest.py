"""A database for the worker's whole session, and a transaction in it that is never committed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.engine.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def shared_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a database that no test may commit to."""
    name = f"schema_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f"create database {name} template interlock_template strategy wal_log")
        yield postgres.database_url(name)
        admin.execute(f"drop database {name} with (force)")


@pytest.fixture
def conn(shared_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that is rolled back; even the schema can be changed in it."""
    with psycopg.connect(shared_url) as conn:
        yield conn
        conn.rollback()


@pytest.fixture
def rows(conn: psycopg.Connection[Any]) -> Rows:
    """Makes rows in that transaction."""
    return Rows(conn)
