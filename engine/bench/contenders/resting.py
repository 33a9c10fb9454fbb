"""What an idle worker holds while runs wait for a person: none of it should be for them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import psutil

from ...database import Database
from ...schema import migrate
from ..readings import Holdings, Rest
from .contender import Contender
from .footprint import send, single
from .work import ask_for, make_known, wait_for, working

if TYPE_CHECKING:
    from concurrent.futures import Future

AT_ONCE = 32
"""Runs that the worker has in hand on their way to their wait."""
WARM = 500
"""Runs that come to wait before the first look, so that caches and pools are as they stay."""
HELD = """
select count(*), (select count(*) from pg_locks l join pg_stat_activity a on a.pid = l.pid
                  where a.datname = current_database() and a.pid <> pg_backend_pid())
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""


class Resting(Contender):
    """One worker, and runs of one irreversible call each that nobody decides."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        db = Database(url)
        migrate(db)
        self._sender = single("sender", send())
        make_known(db, self._sender)
        db.close()

    def rest(self, *, runs: int) -> Rest:
        """What is held before and after so many runs have come to wait."""
        db = Database(self.url)
        try:
            with working(db, [self._sender], concurrency=AT_ONCE) as work:
                self._to_wait(min(WARM, runs), work)
                before = self._holdings()
                self._to_wait(runs, work)
                after = self._holdings()
        finally:
            db.close()
        return Rest(before, after)

    def _to_wait(self, runs: int, work: Future[None]) -> None:
        asking = Database(self.url)
        asked = [ask_for(asking, self._sender, {"number": number}) for number in range(runs)]
        wait_for(asking, asked, "waiting", [work])
        asking.close()

    def _holdings(self) -> Holdings:
        looking = Database(self.url)
        with looking.begin() as conn:
            connections, locks = conn.exec_driver_sql(HELD).one()
        looking.close()
        gc.collect()
        process = psutil.Process()
        return Holdings(
            memory=process.memory_info().rss,
            threads=process.num_threads(),
            processes=len(process.children(recursive=True)),
            connections=connections,
            locks=locks,
        )
