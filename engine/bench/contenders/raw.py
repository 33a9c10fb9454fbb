"""Commits and nothing else: what the disk and the driver allow."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import psycopg

from ..readings import WARM_STEPS, Lap, lap_of
from ..workload import TEXTS, Marks, texts
from .contender import Contender

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_TABLE = "create table if not exists written (number bigint, text text)"
_INSERT = "insert into written values (%s, %s)"


class Raw(Contender):
    """One row of a message's size and one commit for each step; a connection for each run."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(_TABLE)

    def tidy(self) -> None:
        """Empty its table."""
        super().tidy()
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute("truncate written")

    def lap(self, *, steps: int, size: int, runs: int, per_slot: int) -> Lap:
        """As many commits as the others take steps."""
        return asyncio.run(self._lap(steps, size, runs, per_slot))

    async def _lap(self, steps: int, size: int, runs: int, per_slot: int) -> Lap:
        said = texts(size)
        marks = Marks()

        async def write(conn: AsyncConnection[Any], count: int) -> None:
            for number in range(count):
                await conn.execute(_INSERT, (number, said[number % TEXTS]))

        async with AsyncExitStack() as stack:
            conns = [
                await stack.enter_async_context(
                    await psycopg.AsyncConnection.connect(self.url, autocommit=True)
                )
                for _ in range(runs)
            ]
            await asyncio.gather(*(write(conn, WARM_STEPS) for conn in conns))
            marks.turn()
            began = time.perf_counter()
            await asyncio.gather(*(write(conn, steps * per_slot) for conn in conns))
            seconds = time.perf_counter() - began
            cpu = time.process_time()
        marks.turns.clear()
        return lap_of(marks, steps=steps, runs=runs, per_slot=per_slot, seconds=seconds, cpu=cpu)
