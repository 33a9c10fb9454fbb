"""Connections that rest in the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from interlock.engine import database as module
from interlock.engine.database import Database
from interlock.engine.errors import DatabaseLost
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def resting(database: Database) -> Iterator[Database]:
    """A pool with one connection, whose server process is gone."""
    pool = Database(database.url)
    with pool.begin() as conn:
        pid = conn.exec_driver_sql("select pg_backend_pid()").scalar_one()
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", (pid,))
    yield pool
    pool.close()


def test_a_connection_that_was_cut_while_it_rested_is_replaced(
    resting: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTED", 0.0)
    with resting.begin() as conn:
        assert conn.exec_driver_sql("select 1").scalar_one() == 1


def test_one_that_was_just_in_use_costs_no_round_trip_and_work_is_done_again(
    resting: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTED", 3600.0)
    with pytest.raises(OperationalError), resting.begin() as conn:
        conn.exec_driver_sql("select 1")
    again = resting.retry(lambda conn: conn.exec_driver_sql("select 1").scalar_one())
    assert again == 1


def test_a_database_that_is_away_for_longer_than_the_patience_is_said_to_be_lost() -> None:
    nowhere = Database("postgresql://127.0.0.1:1/nothing")
    with pytest.raises(DatabaseLost, match="The database cannot be used: "):
        nowhere.retry(lambda conn: conn.exec_driver_sql("select 1"), patience=0.1)
    nowhere.close()
