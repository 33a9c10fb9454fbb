"""Opening the database that the settings name."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from interlock.engine.errors import DatabaseUnavailable, SchemaOutdated
from interlock.engine.opening import open_database
from interlock.engine.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from interlock.engine.database import Database


def check_within(database: Database, seconds: float) -> None:
    """The database answers, if not at once."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return database.check()
        except DatabaseUnavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def test_a_named_database_with_the_schema_is_opened(database_url: str) -> None:
    with open_database(Settings(database_url=database_url), migrate=False) as database:
        database.check()


def test_a_named_database_without_the_schema_is_refused_or_migrated(
    empty_database_url: str,
) -> None:
    settings = Settings(database_url=empty_database_url)
    with pytest.raises(SchemaOutdated, match="interlock db migrate"):
        open_database(settings, migrate=False).__enter__()
    with open_database(settings, migrate=True):
        pass
    with open_database(settings, migrate=False):
        pass


def test_nothing_is_made_only_to_find_that_it_has_no_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdated, match="There is no database under"):
        open_database(Settings(home=tmp_path / "home"), migrate=False).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_server_that_is_killed_is_started_again(tmp_path: Path) -> None:
    pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
    with open_database(Settings(home=tmp_path), migrate=True) as database:
        before = int(pid_file.read_text().splitlines()[0])
        os.kill(before, signal.SIGKILL)
        time.sleep(0.2)
        check_within(database, 60)
        assert int(pid_file.read_text().splitlines()[0]) != before
        count = "select count(*) from runs"
        assert database.retry(lambda conn: conn.exec_driver_sql(count).scalar_one()) == 0
    assert not pid_file.exists()
    assert "postgres-keeper" not in {thread.name for thread in threading.enumerate()}
