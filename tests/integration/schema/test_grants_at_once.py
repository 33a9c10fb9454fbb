"""Many connections use one grant at once: the database lets it be used as often as it says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import TYPE_CHECKING

import psycopg
from rows import Rows

if TYPE_CHECKING:
    from uuid import UUID

CONNECTIONS = 24
CALLS = 120
MOST = 7


def test_a_grant_is_never_used_more_often_than_it_says(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        rows = Rows(conn)
        grant_id = rows.grant(most=MOST)
        runs = [rows.run("running") for _ in range(CALLS)]

    def start(run_id: UUID) -> bool:
        with psycopg.connect(database_url) as conn:
            theirs = copy(rows)
            theirs.conn = conn
            try:
                theirs.granted(grant_id, run_id)
            except psycopg.errors.Error as error:
                assert error.sqlstate == "IL003", error  # noqa: PT017 - what else would be a bug
                conn.rollback()
                return False
        return True

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        started = list(pool.map(start, runs))
    assert sum(started) == MOST
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "select g.uses, count(*) from grants g join calls c on c.grant_id = g.id"
            " where c.state = 'executing' group by g.uses"
        ).fetchone()
    assert row == (MOST, MOST)
