"""LangGraph's Postgres saver, fenced by the run's epoch and counting the run's steps."""

from __future__ import annotations

from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import dict_row

from .errors import DatabaseLost, Fenced
from .stops import RunStopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
    from psycopg import AsyncConnection, AsyncCursor
    from psycopg_pool import AsyncConnectionPool

    from .hold import Hold

    Pool = AsyncConnectionPool[AsyncConnection[dict[str, Any]]]

_HOLD = """
select from runs where tenant_id = %s and id = %s and epoch = %s and status = 'running' for share
"""
_STEP = """
update runs set used_steps = used_steps + 1, deaths = 0
where tenant_id = %s and id = %s and epoch = %s and status = 'running' and used_steps < limit_steps
"""

_fence: ContextVar[str] = ContextVar("interlock_fence", default=_HOLD)


class FencedSaver(AsyncPostgresSaver):
    """One run's checkpoints; each write commits only while this executor holds the run.

    A saver belongs to one execution, so that its lock serialises one run and not the process.
    """

    def __init__(self, pool: Pool, hold: Hold, steps_are_up: Callable[[], None]) -> None:
        super().__init__(pool)
        self._pool = pool
        self._hold = hold
        self._steps_are_up = steps_are_up

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint; a finished superstep counts as a step of the run."""
        if metadata.get("source") != "loop" or metadata.get("step", 0) < 1:
            return await super().aput(config, checkpoint, metadata, new_versions)
        token = _fence.set(_STEP)
        try:
            return await super().aput(config, checkpoint, metadata, new_versions)
        finally:
            _fence.reset(token)

    @asynccontextmanager
    async def _cursor(
        self, *, pipeline: bool = False
    ) -> AsyncIterator[AsyncCursor[dict[str, Any]]]:
        """Writes, which ask for a pipeline, become a transaction that begins with the fence."""
        try:
            async with self.lock, self._pool.connection() as conn:
                if not pipeline:
                    async with conn.cursor(binary=True, row_factory=dict_row) as cur:
                        yield cur
                    return
                async with (
                    conn.transaction(),
                    conn.cursor(binary=True, row_factory=dict_row) as cur,
                ):
                    await self._check_held(cur)
                    yield cur
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseLost(f"The checkpoints cannot be reached: {error}") from error

    async def _check_held(self, cur: AsyncCursor[dict[str, Any]]) -> None:
        hold = self._hold
        held = (hold.tenant, hold.run_id, hold.epoch)
        await cur.execute(_fence.get(), held)
        if cur.rowcount == 1:
            return
        await cur.execute(_HOLD, held)
        if cur.rowcount != 1:
            raise Fenced(f"Run {hold.run_id} is no longer held by this worker.")
        self._steps_are_up()
        raise RunStopped("The run has no steps left.")
