"""LangGraph with its own Postgres saver, opened as its documentation shows."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from .graphs import Graphs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from langgraph.checkpoint.base import BaseCheckpointSaver

CONNECTIONS = 8
"""Its saver works behind one lock, so that it uses few."""


class Stock(Graphs):
    """AsyncPostgresSaver on a pool."""

    @asynccontextmanager
    async def saver(self) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """The saver with its tables made and its connections open."""
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            self.url,
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
            open=False,
        )
        async with pool:
            await pool.wait()
            saver = AsyncPostgresSaver(pool)
            await saver.setup()
            yield saver

    def tidy(self) -> None:
        """Empty its tables: it stores so much that the disk would fill over the rounds."""
        super().tidy()
        with psycopg.connect(self.url, autocommit=True) as conn:
            found = conn.execute("select to_regclass('checkpoints')").fetchone()
            if found != (None,):
                conn.execute("truncate checkpoints, checkpoint_blobs, checkpoint_writes")
