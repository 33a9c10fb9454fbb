"""LangGraph's Postgres saver, fenced by the run's epoch and counting the run's steps."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row

from .errors import DatabaseLost, Fenced
from .stops import RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
    )
    from psycopg import Connection, Cursor
    from psycopg_pool import ConnectionPool

    from .hold import Hold

    Pool = ConnectionPool[Connection[dict[str, Any]]]

_HOLD = """
select from runs where tenant_id = %s and id = %s and epoch = %s and status = 'running' for share
"""
_STEP = """
update runs set used_steps = used_steps + 1, deaths = 0
where tenant_id = %s and id = %s and epoch = %s and status = 'running' and used_steps < limit_steps
"""

_fence: ContextVar[str] = ContextVar("interlock_fence", default=_HOLD)


class FencedSaver(PostgresSaver):
    """One run's checkpoints; each write commits only while this executor holds the run.

    A saver belongs to one execution, so that its lock serialises one run and not the process. Its
    transactions lock the run's row, so they run in threads from begin to commit: one that needed
    the event loop to commit would wait for ever for a tool that blocks the loop and wants the row.
    """

    def __init__(
        self,
        pool: Pool,
        hold: Hold,
        steps_are_up: Callable[[], None],
        threads: Executor | None = None,
    ) -> None:
        super().__init__(pool)
        self._pool = pool
        self._hold = hold
        self._threads = threads
        self._steps_are_up = steps_are_up

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get_tuple`."""
        found: CheckpointTuple | None = await self._aside(self.get_tuple, config)
        return found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `put`."""
        saved: RunnableConfig = await self._aside(
            self.put, config, checkpoint, metadata, new_versions
        )
        return saved

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save a checkpoint; a finished superstep counts as a step of the run."""
        is_step = metadata.get("source") == "loop" and metadata.get("step", 0) >= 1
        token = _fence.set(_STEP if is_step else _HOLD)
        try:
            return super().put(config, checkpoint, metadata, new_versions)
        finally:
            _fence.reset(token)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """As `put_writes`."""
        await self._aside(self.put_writes, config, writes, task_id, task_path)

    async def _aside(self, work: Callable[..., Any], *given: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, work, *given)

    @contextmanager
    def _cursor(self, *, pipeline: bool = False) -> Iterator[Cursor[dict[str, Any]]]:
        """Writes, which ask for a pipeline, become a transaction that begins with the fence."""
        try:
            with self.lock, self._pool.connection() as conn:
                if not pipeline:
                    with conn.cursor(binary=True, row_factory=dict_row) as cur:
                        yield cur
                    return
                with conn.transaction(), conn.cursor(binary=True, row_factory=dict_row) as cur:
                    self._check_held(cur)
                    yield cur
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseLost(f"The checkpoints cannot be reached: {error}") from error

    def _check_held(self, cur: Cursor[dict[str, Any]]) -> None:
        held = (self._hold.tenant, self._hold.run_id, self._hold.epoch)
        cur.execute(_fence.get(), held)
        if cur.rowcount == 1:
            return
        cur.execute(_HOLD, held)
        if cur.rowcount != 1:
            raise Fenced(f"Run {self._hold.run_id} is no longer held by this worker.")
        self._steps_are_up()
        raise RunStopped("The run has no steps left.")
