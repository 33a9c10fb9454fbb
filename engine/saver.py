"""LangGraph's checkpoints of a run: one row and at most one statement a step, fenced by its epoch.

A checkpoint is on its way when the next step begins; what may not come before it is written after
it (`Outbox.follow`). What the tasks of a step wrote is kept until the step is done and goes into
the row of the next one; an error, an interrupt or its answer is written at once, and so is what
waits for longer than the linger. Channels are stored by what changed (`channel_values`).
"""

from __future__ import annotations

import asyncio
import random
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    get_checkpoint_id,
)

from . import pruning
from .errors import UsageError
from .group_commit import Unit
from .step_buffer import StepBuffer
from .step_clock import keep_above
from .step_rows import (
    Place,
    many_steps,
    one_step,
    read_step,
    read_tuples,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from typing import TypeVar

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import (
        ChannelVersions,
        Checkpoint,
        CheckpointMetadata,
        CheckpointTuple,
    )
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from .group_commit import GroupCommit, Write
    from .outbox import Outbox
    from .step_rows import Reading
    from .watch import Watch

    T = TypeVar("T")

_LINGER = 0.25
"""Seconds that a finished task's writes wait for their step to be done."""


class StepSaver(BaseCheckpointSaver[float]):
    """The checkpoints of runs.

    With an `outbox`, those of the run that it belongs to: written with what else the run has to
    write, refused as soon as the run is another executor's, counted as steps. Without one, those of
    any run: each call is stored at once and rests on nothing.

    Args:
        is_first: whether nobody executed this run before, so that nothing is stored of it yet.
        watch: told what is read and done; it may refuse that, and say more of a step.
    """

    def __init__(
        self,
        commit: GroupCommit,
        tenant: str,
        *,
        outbox: Outbox | None = None,
        serde: SerializerProtocol | None = None,
        is_first: bool = False,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(serde=serde)
        self._group = commit
        self._tenant = tenant
        self._outbox = outbox
        self._buffer = StepBuffer(remember=outbox is not None)
        self._is_first = is_first
        self._watch = watch
        if outbox is not None:
            outbox.also(self._buffer.loose)

    def get_next_version(self, current: float | None, channel: None) -> float:  # noqa: ARG002
        """The next whole number and a random fraction, so that no two forks agree."""
        return int(current or 0) + 1 + random.random() * 0.99  # noqa: S311 - no secret

    # Writing ----------------------------------------------------------------------------------

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint; a finished superstep counts as a step of the run.

        Raises:
            Fenced: the run is no longer this executor's; this was not stored, or one before it.
        """
        place, write = self._row(config, checkpoint, metadata, new_versions)
        if self._outbox is not None:
            await self._outbox.follow(write)
        else:
            await self._commit([write])
        self._stored(place, metadata)
        return place.config()  # type: ignore[no-any-return]

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`; blocks until it is written."""
        place, write = self._row(config, checkpoint, metadata, new_versions)
        self._commit_now([write])
        self._stored(place, metadata)
        return place.config()  # type: ignore[no-any-return]

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote until its step is done; store what cannot wait."""
        if self._kept(config, writes, task_id, task_path):
            await self._flush()

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """As `aput_writes`; blocks."""
        if self._kept(config, writes, task_id, task_path):
            self._flush_now()

    def _row(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        changed: ChannelVersions,
    ) -> tuple[Place, Write]:
        place = self._place(config, checkpoint["id"])
        parent = get_checkpoint_id(config)
        is_step = metadata.get("source") == "loop" and metadata.get("step", 0) >= 1
        if self._watch is not None and is_step:
            more: Any = self._watch.step_done(place.ns, parent)
            metadata = {**metadata, **more}
        before = None if parent is None else self._place(config, parent)
        write = self._buffer.put(self.serde, place, before, config, checkpoint, metadata, changed)
        return place, write

    def _stored(self, place: Place, metadata: CheckpointMetadata) -> None:
        if self._watch is not None and metadata.get("source") == "loop":
            self._watch.step_stored(place.ns)

    def _kept(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, path: str
    ) -> bool:
        """Take a task's writes in; whether to store them at once."""
        place = self._place(config, config["configurable"]["checkpoint_id"])
        if self._watch is not None:
            self._watch.task_done(place.ns, place.step, task_id, writes)
        cannot_wait = self._buffer.keep(self.serde, place, writes, task_id, path)
        if self._outbox is not None and not cannot_wait:
            self._outbox.flush_in(_LINGER)
        return cannot_wait

    async def _commit(self, writes: Sequence[Write]) -> None:
        if self._outbox is not None:
            await self._outbox.commit(writes)
        else:
            await self._group.write(Unit(None, tuple(writes)))

    def _commit_now(self, writes: Sequence[Write]) -> None:
        if self._outbox is not None:
            self._outbox.commit_now(writes)
        else:
            self._group.write_now(Unit(None, tuple(writes)))

    async def _flush(self) -> None:
        """Store what is kept."""
        if self._outbox is not None:
            await self._outbox.flush()
        elif loose := self._buffer.loose():
            await self._commit(loose)

    def _flush_now(self) -> None:
        if self._outbox is not None:
            self._outbox.flush_now()
        elif loose := self._buffer.loose():
            self._commit_now(loose)

    def _place(self, config: RunnableConfig, step: str) -> Place:
        named = config["configurable"]
        return Place(self._tenant, run_of(named["thread_id"]), named.get("checkpoint_ns", ""), step)

    # Reading ----------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the newest."""
        if self._has_nothing(config):
            return None
        await self._flush()
        found: CheckpointTuple | None = await self._aread(self._get(config))
        return found

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`; blocks."""
        if self._has_nothing(config):
            return None
        self._flush_now()
        found: CheckpointTuple | None = self._read(self._get(config))
        return found

    def _has_nothing(self, config: RunnableConfig) -> bool:
        """Whether there can be no checkpoint, which a run's first execution knows by itself."""
        ns = config["configurable"].get("checkpoint_ns", "")
        return self._is_first and not self._buffer.has_stored(ns)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's word
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, newest first."""
        await self._flush()
        for step in await self._aread(self._steps(config, filter, before, limit)):
            (found,) = await self._aread(read_tuples(self.serde, [step]))
            yield found.tuple

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's word
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `alist`; blocks."""
        self._flush_now()
        for step in self._read(self._steps(config, filter, before, limit)):
            (found,) = self._read(read_tuples(self.serde, [step]))
            yield found.tuple

    # Taking away and copying -----------------------------------------------------------------

    async def adelete_thread(self, thread_id: str) -> None:
        """Take every checkpoint of a run away.

        Raises:
            Conflict: another executor holds the run.
        """
        await self._aprune(self.delete_thread, thread_id)

    def delete_thread(self, thread_id: str) -> None:
        """As `adelete_thread`; blocks."""
        self._prune(run_of(thread_id), pruning.delete_all)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Take checkpoints away: all but the newest of each namespace, or with `delete`, all.

        Raises:
            Conflict: another executor holds one of the runs; those before it are pruned.
            UsageError: there is no such strategy.
        """
        await self._aprune(self.prune, thread_ids, strategy=strategy)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `aprune`; blocks."""
        if strategy not in ("keep_latest", "delete"):
            raise UsageError(f"Checkpoints are pruned by keep_latest or delete, not '{strategy}'.")
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
            else:
                self._prune(
                    run_of(thread_id),
                    pruning.keep_latest,
                )

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Take the checkpoints away whose metadata has one of these as LangGraph's `run_id`.

        Raises:
            Conflict: another executor holds a run that has such checkpoints.
        """
        await self._aprune(self.delete_for_runs, run_ids)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `adelete_for_runs`; blocks."""
        self._flush_now()
        for (run_id,) in self._group.fetch_now(pruning.tagged_runs(self._tenant, run_ids)):
            self._prune(run_id, lambda ask, run: pruning.delete_tagged(ask, run, run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy every checkpoint of a run to another run."""
        await self._aprune(self.copy_thread, source_thread_id, target_thread_id)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `acopy_thread`; blocks."""
        self._flush_now()
        source, target = run_of(source_thread_id), run_of(target_thread_id)
        self._group.fetch_now(pruning.copy_all(self._tenant, source, target))

    def _prune(self, run_id: UUID, act: Callable[[pruning.Ask, pruning.Run], None]) -> None:
        self._flush_now()
        if self._outbox is not None:
            self._outbox.let_land()  # it must not land on what was taken away
        held = self._outbox.epoch_of(run_id) if self._outbox is not None else None
        run = pruning.Run(self._tenant, run_id, held)
        with self._group.transaction() as ask:
            pruning.lock(ask, run)
            act(ask, run)
        self._buffer.forget()

    async def _aprune(self, work: Callable[..., None], *given: Any, **named: Any) -> None:
        await self._flush()
        await asyncio.to_thread(work, *given, **named)

    def _get(self, config: RunnableConfig) -> Reading:
        named = config["configurable"]
        run_id, ns = run_of(named["thread_id"]), named.get("checkpoint_ns", "")
        rows = yield one_step(self._tenant, run_id, ns, get_checkpoint_id(config))
        if not rows:
            return None
        step = read_step(self._tenant, rows[0])
        keep_above(step.place.step)
        is_ours = self._outbox is not None
        (found,) = yield from read_tuples(self.serde, [step], with_heads=is_ours)
        self._buffer.remember(step.place, found.heads)
        if self._watch is not None:
            self._watch.step_read(ns, found.tuple.metadata)
        return found.tuple

    def _steps(
        self,
        config: RunnableConfig | None,
        metadata: dict[str, Any] | None,
        before: RunnableConfig | None,
        limit: int | None,
    ) -> Reading:
        named = config["configurable"] if config else {}
        rows = yield many_steps(
            self._tenant,
            run_id=run_of(named["thread_id"]) if config else None,
            ns=named.get("checkpoint_ns"),
            step=get_checkpoint_id(config) if config else None,
            before=get_checkpoint_id(before) if before else None,
            metadata=metadata,
            limit=limit,
        )
        return [read_step(self._tenant, row) for row in rows]

    async def _aread(self, reading: Reading) -> Any:
        try:
            query = next(reading)
            while True:
                query = reading.send(await self._group.fetch(query))
        except StopIteration as done:
            return done.value

    def _read(self, reading: Reading) -> Any:
        try:
            query = next(reading)
            while True:
                query = reading.send(self._group.fetch_now(query))
        except StopIteration as done:
            return done.value


@lru_cache(maxsize=1024)
def run_of(thread_id: Any) -> UUID:
    """The run that a LangGraph thread is.

    Raises:
        UsageError: the thread is no run.
    """
    try:
        return UUID(str(thread_id))
    except ValueError:
        raise UsageError(f"A run is named by its id, not by the thread '{thread_id}'.") from None
