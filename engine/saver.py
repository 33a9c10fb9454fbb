"""LangGraph's checkpoints of a run: one row and one statement a step, fenced by the run's epoch.

What the tasks of a step wrote is kept until the step is done and goes into the row of the next one;
an error, an interrupt or its answer is written at once, and so is what waits for longer than the
linger. Channels are stored by what changed (`channel_values`).
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    get_checkpoint_id,
    get_serializable_checkpoint_metadata,
)

from .channel_values import encode, is_small
from .errors import UsageError
from .group_commit import Unit
from .step_rows import (
    Place,
    TaskWrite,
    many_steps,
    one_step,
    read_step,
    read_tuples,
    step_write,
    task_write,
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

    from .channel_values import Head
    from .group_commit import GroupCommit, Write
    from .outbox import Outbox
    from .step_rows import Reading

    T = TypeVar("T")

_LINGER = 0.25
"""Seconds that a finished task's writes wait for their step to be done."""
_MOST_HEADS = 64
"""Checkpoints whose channels are remembered: one for each subgraph that is under way."""


@dataclass(slots=True)
class _Memory:
    """What one execution remembers of its run; shared by the copies of its saver.

    Attributes:
        written: what tasks wrote, by the checkpoint that they ran on.
        heads: checkpoint → channel → its latest stored value.
        namespaces: those that this execution has stored checkpoints in.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    written: dict[Place, list[TaskWrite]] = field(default_factory=dict)
    heads: dict[Place, dict[str, Head]] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)


class StepSaver(BaseCheckpointSaver[float]):
    """The checkpoints of runs.

    With an `outbox`, those of the run that it belongs to: written with what else the run has to
    write, refused as soon as the run is another executor's, counted as steps. Without one, those of
    any run: each call is stored at once and rests on nothing.

    Args:
        is_first: whether nobody executed this run before, so that nothing is stored of it yet.
        step_done: called for each finished superstep; raises where there may be no further one.
        task_done: called with a task's id and the channels it wrote; raises to refuse them.
    """

    def __init__(
        self,
        commit: GroupCommit,
        tenant: str,
        *,
        outbox: Outbox | None = None,
        serde: SerializerProtocol | None = None,
        is_first: bool = False,
        step_done: Callable[[], None] = lambda: None,
        task_done: Callable[[str, Sequence[str]], None] = lambda _, __: None,
    ) -> None:
        super().__init__(serde=serde)
        self._group = commit
        self._tenant = tenant
        self._outbox = outbox
        self._memory = _Memory()
        self._is_first = is_first
        self._step_done = step_done
        self._task_done = task_done
        if outbox is not None:
            outbox.also(self._loose)

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
            Fenced: the run is no longer this executor's; nothing was stored.
        """
        place, write = self._put(config, checkpoint, metadata, new_versions)
        await self._commit([write])
        return place.config()  # type: ignore[no-any-return]

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `aput`; blocks."""
        place, write = self._put(config, checkpoint, metadata, new_versions)
        self._commit_now([write])
        return place.config()  # type: ignore[no-any-return]

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote until its step is done; store what cannot wait."""
        if now := self._keep(config, writes, task_id, task_path):
            await self._commit(now)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """As `aput_writes`; blocks."""
        if now := self._keep(config, writes, task_id, task_path):
            self._commit_now(now)

    def _put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> tuple[Place, Write]:
        if metadata.get("source") == "loop" and metadata.get("step", 0) >= 1:
            self._step_done()
        place = self._place(config, checkpoint["id"])
        parent = get_checkpoint_id(config)
        before = None if parent is None else self._place(config, parent)
        with self._memory.lock:
            known = self._memory.heads.get(before, {}) if before else {}
            written = self._memory.written.pop(before, []) if before else []
        small: dict[str, Any] = {}
        entries, heads = {}, {}
        for name, value in checkpoint["channel_values"].items():
            if is_small(value):
                small[name] = value
                continue
            latest = known.get(name)
            if latest is None or name in new_versions:
                latest, entry = encode(self.serde, place.step, value, latest)
                if entry is not None:
                    entries[name] = entry
            heads[name] = latest
        write = step_write(
            place,
            parent,
            checkpoint,
            small=small,
            refs={name: (head.at, head.base) for name, head in heads.items()},
            entries=entries,
            writes=written,
            metadata=get_serializable_checkpoint_metadata(config, metadata),
        )
        self._remember(before, place, heads)
        return place, write

    def _remember(self, before: Place | None, place: Place, heads: dict[str, Head]) -> None:
        if self._outbox is None:
            return
        with self._memory.lock:
            self._memory.namespaces.add(place.ns)
            known = self._memory.heads
            if before is not None:
                known.pop(before, None)
            known[place] = heads
            while len(known) > _MOST_HEADS:
                del known[next(iter(known))]

    def _keep(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> list[Write]:
        """Take a task's writes in; what has to be stored at once."""
        self._task_done(task_id, [channel for channel, _ in writes])
        place = self._place(config, config["configurable"]["checkpoint_id"])
        mine = [
            TaskWrite(
                task_id,
                task_path,
                WRITES_IDX_MAP.get(channel, at),
                channel,
                *self.serde.dumps_typed(value),
            )
            for at, (channel, value) in enumerate(writes)
        ]
        if self._outbox is None:
            return [task_write(place, write) for write in mine]
        with self._memory.lock:
            self._memory.written.setdefault(place, []).extend(mine)
        if any(write.idx < 0 for write in mine):
            return self._loose()
        self._outbox.flush_in(_LINGER)
        return []

    def _loose(self) -> list[Write]:
        """What tasks of unfinished steps wrote; it is no longer kept after that."""
        with self._memory.lock:
            written, self._memory.written = self._memory.written, {}
        return [task_write(place, write) for place, mine in written.items() for write in mine]

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

    def _place(self, config: RunnableConfig, step: str) -> Place:
        named = config["configurable"]
        return Place(self._tenant, run_of(named["thread_id"]), named.get("checkpoint_ns", ""), step)

    # Reading ----------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the newest."""
        if self._has_nothing(config):
            return None
        if self._outbox is not None:
            await self._outbox.flush()
        found: CheckpointTuple | None = await self._aread(self._get(config))
        return found

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `aget_tuple`; blocks."""
        if self._has_nothing(config):
            return None
        if self._outbox is not None:
            self._outbox.flush_now()
        found: CheckpointTuple | None = self._read(self._get(config))
        return found

    def _has_nothing(self, config: RunnableConfig) -> bool:
        """Whether there can be no checkpoint, which a run's first execution knows by itself."""
        with self._memory.lock:
            known = self._memory.namespaces
        return self._is_first and config["configurable"].get("checkpoint_ns", "") not in known

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's word
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, newest first."""
        if self._outbox is not None:
            await self._outbox.flush()
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
        if self._outbox is not None:
            self._outbox.flush_now()
        for step in self._read(self._steps(config, filter, before, limit)):
            (found,) = self._read(read_tuples(self.serde, [step]))
            yield found.tuple

    def _get(self, config: RunnableConfig) -> Reading:
        named = config["configurable"]
        run_id, ns = run_of(named["thread_id"]), named.get("checkpoint_ns", "")
        rows = yield one_step(self._tenant, run_id, ns, get_checkpoint_id(config))
        if not rows:
            return None
        step = read_step(self._tenant, rows[0])
        is_ours = self._outbox is not None
        (found,) = yield from read_tuples(self.serde, [step], with_heads=is_ours)
        self._remember(None, step.place, found.heads)
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


def run_of(thread_id: Any) -> UUID:
    """The run that a LangGraph thread is.

    Raises:
        UsageError: the thread is no run.
    """
    try:
        return UUID(str(thread_id))
    except ValueError:
        raise UsageError(f"A run is named by its id, not by the thread '{thread_id}'.") from None
