"""procrastinate: an async task that does nothing, on its psycopg connector."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from procrastinate import App, PsycopgConnector

from ..readings import Batch
from .contender import Contender
from .patience import IDLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class ProcrastinateJobs(Contender):
    """Its own worker, with as many jobs side by side as the others have."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        asyncio.run(self._make_schema())

    async def _make_schema(self) -> None:
        async with self._app(slots=1) as app:
            await app.schema_manager.apply_schema_async()

    def tidy(self) -> None:
        """Empty its tables."""
        super().tidy()
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("truncate procrastinate_jobs cascade")

    def batch(self, *, jobs: int, slots: int) -> Batch:
        """Its worker ends when the queue is empty; the clock runs from the first job's start."""
        return asyncio.run(self._batch(jobs, slots))

    async def _batch(self, jobs: int, slots: int) -> Batch:
        begun: list[float] = []
        async with self._app(slots) as app:

            @app.task(name="nothing")
            async def nothing() -> None:
                begun.append(time.perf_counter())

            began = time.perf_counter()
            for _ in range(jobs):
                await nothing.defer_async()
            enqueued = time.perf_counter()
            await app.run_worker_async(wait=False, concurrency=slots, install_signal_handlers=False)
            ended = time.perf_counter()
        return Batch(jobs, enqueue_seconds=enqueued - began, process_seconds=ended - begun[0])

    def starts(self, *, count: int) -> list[float]:
        """Its worker listens for notifications, as it does by default."""
        return asyncio.run(self._starts(count))

    async def _starts(self, count: int) -> list[float]:
        begun: asyncio.Queue[float] = asyncio.Queue()
        waited = []
        async with self._app(slots=8) as app:

            @app.task(name="note")
            async def note() -> None:
                begun.put_nowait(time.perf_counter())

            worker = asyncio.create_task(
                app.run_worker_async(concurrency=8, install_signal_handlers=False)
            )
            for _ in range(count + 1):
                began = time.perf_counter()
                await note.defer_async()
                waited.append((await begun.get() - began) * 1000)
                await asyncio.sleep(IDLE)
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
        return waited[1:]

    @asynccontextmanager
    async def _app(self, slots: int) -> AsyncIterator[App]:
        connector: Any = PsycopgConnector(conninfo=self.url, min_size=4, max_size=slots + 8)
        app = App(connector=connector)
        async with app.open_async():
            yield app
