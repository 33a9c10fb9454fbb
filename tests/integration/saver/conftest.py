"""Runs that are held, savers of their steps, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from integration.engine.conftest import lab  # noqa: F401 - a fixture
from integration.saver.held import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.engine.embedded import EmbeddedPostgres

LONGEST = 30.0
"""Seconds that a coroutine may take."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Run a test that is a coroutine on a loop in a thread of its own.

    A browser's loop may run in this one, and a test that hangs can be left behind.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    asked = pyfuncitem._fixtureinfo.argnames
    test = pyfuncitem.function(**{name: pyfuncitem.funcargs[name] for name in asked})
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(test))
        except BaseException as error:  # noqa: BLE001 - it is raised where pytest sees it
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    outcome.result(LONGEST)
    return True


@pytest.fixture
def runs(database_url: str) -> Iterator[Runs]:
    """Runs in a database of the test's own."""
    with Runs(database_url) as made:
        yield made


@pytest.fixture(scope="module")
def shared_runs(postgres: EmbeddedPostgres) -> Iterator[Runs]:
    """Runs in a database that the module's tests share: none looks at the runs of another."""
    name = f"saver_{uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f"create database {name} template interlock_template strategy wal_log")
        with Runs(postgres.database_url(name)) as made:
            yield made
        admin.execute(f"drop database {name} with (force)")
