"""DBOS: a workflow of one step that does nothing, on one of its queues.

The queue has no limit of its own, as DBOS's queues have by default: with `worker_concurrency` it
was slower. It looks for work every 10 ms, not every second, as its default is.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig

from ..readings import Batch
from .contender import Contender
from .patience import IDLE, PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE = "bench"
POLL_SECONDS = 0.01

_begun: SimpleQueue[float] = SimpleQueue()


@DBOS.step()
def nothing() -> None:
    """The step that does nothing."""


@DBOS.workflow()
def workflow() -> None:
    """Notes when it begins."""
    _begun.put(time.perf_counter())
    nothing()


class DbosSteps(Contender):
    """DBOS is launched for each measurement, and has nothing to do while jobs are enqueued."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        with self._launched():
            DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS)

    def tidy(self) -> None:
        """Empty its tables."""
        super().tidy()
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("truncate dbos.workflow_status cascade")

    def batch(self, *, jobs: int, slots: int) -> Batch:
        """From the first workflow's first line until all have succeeded."""
        del slots
        began = time.perf_counter()
        self._enqueue(jobs)
        enqueued = time.perf_counter()
        with self._launched():
            first = _begun.get(timeout=PATIENCE)
            until(lambda: self._succeeded() == jobs, f"{jobs} workflows should succeed")
            ended = time.perf_counter()
        while not _begun.empty():
            _begun.get()
        return Batch(jobs, enqueue_seconds=enqueued - began, process_seconds=ended - first)

    def _enqueue(self, jobs: int) -> None:
        client = DBOSClient(system_database_url=self.url)
        for _ in range(jobs):
            client.enqueue({"workflow_name": workflow.__qualname__, "queue_name": QUEUE})
        client.destroy()

    def _succeeded(self) -> int:
        query = "select count(*) from dbos.workflow_status where status = 'SUCCESS'"
        with psycopg.connect(self.url, autocommit=True) as conn:
            return sum(count for (count,) in conn.execute(query))

    def starts(self, *, count: int) -> list[float]:
        """From the enqueueing process itself, which also runs the workflow."""
        waited = []
        with self._launched():
            time.sleep(1.5)
            for _ in range(count + 1):
                began = time.perf_counter()
                DBOS.enqueue_workflow(QUEUE, workflow)
                waited.append((_begun.get(timeout=PATIENCE) - began) * 1000)
                time.sleep(IDLE)
        return waited[1:]

    @contextmanager
    def _launched(self) -> Iterator[None]:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": self.url,
            "log_level": "WARNING",
            "application_version": "1",
        }
        DBOS(config=config)
        DBOS.launch()
        try:
            yield
        finally:
            DBOS.destroy()
