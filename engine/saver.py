"""LangGraph's Postgres saver, fenced by the run's epoch and counting the run's steps."""

from __future__ import annotations

from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import dict_row

from .errors import Fenced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
update runs set used_steps = least(used_steps + 1, limit_steps), deaths = 0
where tenant_id = %s and id = %s and epoch = %s and status = 'running'
"""

_fence: ContextVar[str] = ContextVar("interlock_fence", default=_HOLD)


class FencedSaver(AsyncPostgresSaver):
    """One run's checkpoints; each write commits only while this executor holds the run.

    A saver belongs to one execution, so that its lock serialises one run and not the process.
    """

    def __init__(self, pool: Pool, hold: Hold) -> None:
        super().__init__(pool)
        self._pool = pool
        self._hold = hold

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
        async with self.lock, self._pool.connection() as conn:
            if not pipeline:
                async with conn.cursor(binary=True, row_factory=dict_row) as cur:
                    yield cur
                return
            async with conn.transaction(), conn.cursor(binary=True, row_factory=dict_row) as cur:
                hold = self._hold
                await cur.execute(_fence.get(), (hold.tenant, hold.run_id, hold.epoch))
                if cur.rowcount != 1:
                    raise Fenced(f"Run {hold.run_id} is no longer held by this worker.")
                yield cur
