"""What an execution knows of its checkpoints between two transactions. No I/O, any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from langgraph.checkpoint.base import WRITES_IDX_MAP, get_serializable_checkpoint_metadata

from .channel_values import encode, is_small
from .step_rows import Place, TaskWrite, step_write, task_write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from .channel_values import Head
    from .group_commit import Write

_MOST_HEADS = 64
"""Checkpoints whose channels are remembered: one for each subgraph that is under way."""


class StepBuffer:
    """The writes of unfinished steps, and what the next checkpoint may rest on.

    Shared by the copies that LangGraph makes of a saver. One that does not `remember` stores every
    checkpoint whole.
    """

    def __init__(self, *, remember: bool) -> None:
        self._remembers = remember
        self._lock = threading.Lock()
        self._written: dict[Place, list[TaskWrite]] = {}
        self._heads: dict[Place, Mapping[str, Head]] = {}
        self._namespaces: set[str] = set()

    def has_stored(self, ns: str) -> bool:
        """Whether a checkpoint of this namespace was stored or read by this execution."""
        with self._lock:
            return ns in self._namespaces

    def put(
        self,
        serde: SerializerProtocol,
        place: Place,
        before: Place | None,
        config: Any,
        checkpoint: Any,
        metadata: Any,
        changed: Mapping[str, Any],
    ) -> Write:
        """The row of a checkpoint, with what the tasks that led to it wrote."""
        with self._lock:
            known = self._heads.get(before, {}) if before else {}
            written = self._written.pop(before, []) if before else []
        small: dict[str, Any] = {}
        entries, heads = {}, {}
        for name, value in checkpoint["channel_values"].items():
            if is_small(value):
                small[name] = value
                continue
            latest = known.get(name)
            if latest is None or name in changed:
                latest, entry = encode(serde, place.step, value, latest)
                if entry is not None:
                    entries[name] = entry
            heads[name] = latest
        write = step_write(
            place,
            before.step if before else None,
            checkpoint,
            small=small,
            refs={name: (head.at, head.base) for name, head in heads.items()},
            entries=entries,
            writes=written,
            metadata=get_serializable_checkpoint_metadata(config, metadata),
        )
        self.remember(place, heads, before)
        return write

    def remember(
        self, place: Place, heads: Mapping[str, Head], before: Place | None = None
    ) -> None:
        """What a checkpoint after this one may rest on, in place of one that has its successor."""
        if not self._remembers:
            return
        with self._lock:
            self._namespaces.add(place.ns)
            if before is not None:
                self._heads.pop(before, None)
            self._heads[place] = heads
            while len(self._heads) > _MOST_HEADS:
                del self._heads[next(iter(self._heads))]

    def forget(self) -> None:
        """Rest the next checkpoint on nothing."""
        with self._lock:
            self._heads.clear()

    def keep(
        self,
        serde: SerializerProtocol,
        place: Place,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> bool:
        """Take a task's writes in; whether to store them at once: errors, interrupts, answers."""
        mine = [
            TaskWrite(
                task_id,
                task_path,
                WRITES_IDX_MAP.get(channel, at),
                channel,
                *serde.dumps_typed(value),
            )
            for at, (channel, value) in enumerate(writes)
        ]
        with self._lock:
            self._written.setdefault(place, []).extend(mine)
        return not self._remembers or any(write.idx < 0 for write in mine)

    def loose(self) -> Sequence[Write]:
        """What tasks of unfinished steps wrote; it is no longer kept after that."""
        with self._lock:
            written, self._written = self._written, {}
        return [task_write(place, write) for place, mine in written.items() for write in mine]
