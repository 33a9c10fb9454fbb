"""Checkpoints as rows: what a step's row holds, and the statements that read it back.

Reading is written as generators that yield a `Query` and are sent its rows, so that the same text
serves the event loop and threads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ormsgpack
from langgraph.checkpoint.base import CheckpointTuple, writes_sort_key

from .channel_values import Entry, Head, decode, entries_of, head
from .database import storable
from .group_commit import Query, Write

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from uuid import UUID

    from langgraph.checkpoint.base import PendingWrite
    from langgraph.checkpoint.serde.base import SerializerProtocol

    Reading = Generator[Query, list[tuple[Any, ...]], Any]

_PACKED = ormsgpack.OPT_NON_STR_KEYS
_VALUES, _REFS = "$values", "$refs"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint is: a run, a namespace of its graph, and the step."""

    tenant: str
    run_id: UUID
    ns: str
    step: str

    def config(self, step: str | None = None) -> Any:
        """As LangGraph names it."""
        return {
            "configurable": {
                "thread_id": str(self.run_id),
                "checkpoint_ns": self.ns,
                "checkpoint_id": step or self.step,
            }
        }


@dataclass(frozen=True, slots=True)
class TaskWrite:
    """One value that a task wrote to a channel, serialised."""

    task_id: str
    task_path: str
    idx: int
    channel: str
    type: str
    data: bytes

    def packed(self, entry: Entry | None) -> list[Any]:
        """As it goes into the row of the next step; without what its channel's entry there says."""
        is_there = entry is not None and (entry.type, entry.data) == (self.type, self.data)
        data = None if is_there else self.data
        return [self.task_id, self.task_path, self.idx, self.channel, self.type, data]


@dataclass(frozen=True, slots=True)
class Step:
    """A step's row, read; its values not yet put together."""

    place: Place
    parent: str | None
    checkpoint: Mapping[str, Any]
    small: Mapping[str, Any]
    refs: Mapping[str, tuple[str, str]]
    metadata: Any


@dataclass(slots=True)
class Found:
    """A checkpoint, and the heads that a next step may rest on."""

    tuple: CheckpointTuple
    heads: dict[str, Head] = field(default_factory=dict)


def step_write(
    place: Place,
    parent: str | None,
    checkpoint: Mapping[str, Any],
    *,
    small: Mapping[str, Any],
    refs: Mapping[str, tuple[str, str]],
    entries: Mapping[str, Entry],
    writes: Sequence[TaskWrite],
    metadata: Mapping[str, Any],
) -> Write:
    """The row of a step."""
    return Write(
        "put_step",
        (
            place.tenant,
            place.run_id,
            place.ns,
            place.step,
            parent,
            pack_state(checkpoint, small, refs),
            packed_entries(entries),
            pack_writes(writes, entries) if writes else None,
            _json(metadata),
        ),
    )


def pack_state(
    checkpoint: Mapping[str, Any],
    small: Mapping[str, Any],
    refs: Mapping[str, tuple[str, str]],
) -> bytes:
    """A checkpoint without its larger values: where they are is in `refs`."""
    slim = {k: v for k, v in checkpoint.items() if k not in ("channel_values", "id")}
    return ormsgpack.packb({**slim, _VALUES: small, _REFS: refs}, option=_PACKED)


def unpack_entries(packed: bytes) -> dict[str, Entry]:
    """The changed channels of a step from its row."""
    return {name: Entry(*entry) for name, entry in ormsgpack.unpackb(packed).items()}


def packed_entries(entries: Mapping[str, Entry]) -> bytes:
    """The changed channels of a step as its row holds them."""
    return ormsgpack.packb({name: entry.packed() for name, entry in entries.items()})


def pack_writes(writes: Iterable[TaskWrite], entries: Mapping[str, Entry]) -> bytes:
    """The writes of a finished step as the next one's row holds them, beside its entries."""
    return ormsgpack.packb([write.packed(entries.get(write.channel)) for write in writes])


def unpack_writes(packed: bytes, channels: bytes) -> list[TaskWrite]:
    """The writes of a finished step from the next one's row."""
    entries = unpack_entries(channels)
    found = []
    for task_id, path, idx, channel, kind, data in ormsgpack.unpackb(packed):
        value = entries[channel].data if data is None else data
        found.append(TaskWrite(task_id, path, idx, channel, kind, value))
    return found


def task_write(place: Place, write: TaskWrite) -> Write:
    """The row of a task's write whose step is not done."""
    where = (place.tenant, place.run_id, place.ns, place.step)
    what = (write.task_id, write.idx, write.task_path, write.channel, write.type, write.data)
    return Write("put_step_write", (*where, *what))


def _json(value: Mapping[str, Any]) -> str:
    text = json.dumps(value)
    # jsonb holds neither NUL nor half of a surrogate pair
    return json.dumps(_storable(value)) if "\\u0000" in text or "\\ud" in text else text


def _storable(value: Any) -> Any:
    if isinstance(value, dict):
        return {storable(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return storable(value)


_COLUMNS = "select run_id, ns, id, parent_id, state, metadata from steps where tenant_id = $1"


def one_step(tenant: str, run_id: UUID, ns: str, step: str | None) -> Query:
    """A step, or the newest."""
    where = f"{_COLUMNS} and run_id = $2 and ns = $3"
    if step is not None:
        return Query(f"{where} and id = $4", (tenant, run_id, ns, step))
    return Query(f"{where} order by id desc limit 1", (tenant, run_id, ns))


def many_steps(
    tenant: str,
    *,
    run_id: UUID | None,
    ns: str | None,
    step: str | None,
    before: str | None,
    metadata: Mapping[str, Any] | None,
    limit: int | None,
) -> Query:
    """Steps, newest first, by whatever is given."""
    conditions: list[tuple[str, Any]] = [
        ("run_id = {}", run_id),
        ("ns = {}", ns),
        ("id = {}", step),
        ("id < {}", before),
        ("metadata @> {}::text::jsonb", _json(metadata) if metadata else None),
    ]
    text = _COLUMNS
    values: list[Any] = [tenant]
    for condition, value in conditions:
        if value is not None:
            values.append(value)
            text += " and " + condition.format(f"${len(values)}")
    text += " order by id desc"
    if limit is not None:
        values.append(limit)
        text += f" limit ${len(values)}"
    return Query(text, tuple(values))


def read_step(tenant: str, row: tuple[Any, ...]) -> Step:
    """A step from its row."""
    run_id, ns, step, parent, state, metadata = row
    checkpoint = ormsgpack.unpackb(state, option=_PACKED)
    small, refs = checkpoint.pop(_VALUES), checkpoint.pop(_REFS)
    place = Place(tenant, run_id, ns, step)
    return Step(
        place, parent, checkpoint, small, {k: (a, b) for k, (a, b) in refs.items()}, metadata
    )


_ENTRIES = """
select id, channels from steps
where tenant_id = $1 and run_id = $2 and ns = $3
  and (id = any($4::text[]) or id between $5 and $6)
"""


def read_entries(
    place: Place, refs: Iterable[tuple[str, tuple[str, str]]]
) -> Generator[Query, list[tuple[Any, ...]], dict[str, dict[str, Entry]]]:
    """The rows that these values are made of, step → channel → entry.

    A chain of differences lies between its base and its end in the order of ids; what does not,
    because a copy has other ids, is fetched after.
    """
    refs = list(refs)
    chains = [(at, base) for _, (at, base) in refs if at != base]
    first = min((base for _, base in chains), default="1")
    last = max((at for at, _ in chains), default="0")
    wanted = {at for _, (at, _) in refs}
    names = {name for name, _ in refs}
    rows: dict[str, dict[str, Entry]] = {}
    where = (place.tenant, place.run_id, place.ns)
    while wanted:
        for step, packed in (yield Query(_ENTRIES, (*where, sorted(wanted), first, last))):
            rows[step] = unpack_entries(packed)
        first, last = "1", "0"
        on = {e.on for row in rows.values() for n, e in row.items() if e.on and n in names}
        missing = (wanted | on) - rows.keys()
        if missing == wanted:
            raise KeyError(f"Step {min(missing)} of run {place.run_id} is gone.")
        wanted = missing
    return rows


_WRITES = """
select parent_id, id, writes, channels, null, null, null, null, null, null from steps
where tenant_id = $1 and run_id = $2 and ns = $3 and id > $4 and parent_id = any($5::text[])
  and writes is not null
union all
select step_id, '', null, null, task_id, task_path, idx, channel, type, value from step_writes
where tenant_id = $1 and run_id = $2 and ns = $3 and step_id = any($5::text[])
order by 2
"""


def read_writes(
    place: Place, steps: Sequence[str]
) -> Generator[Query, list[tuple[Any, ...]], dict[str, list[TaskWrite]]]:
    """What the tasks of these steps wrote, in LangGraph's order; what was written first counts."""
    found: dict[str, dict[tuple[str, int], TaskWrite]] = {step: {} for step in steps}
    where = (place.tenant, place.run_id, place.ns, min(steps), list(steps))
    for step, _, packed, channels, *columns in (yield Query(_WRITES, where)):
        written = [TaskWrite(*columns)] if packed is None else unpack_writes(packed, channels)
        for write in written:
            found[step].setdefault((write.task_id, write.idx), write)
    return {
        step: sorted(writes.values(), key=lambda w: writes_sort_key(w.task_path, w.task_id, w.idx))
        for step, writes in found.items()
    }


def pending(serde: SerializerProtocol, writes: Iterable[TaskWrite]) -> list[PendingWrite]:
    """Writes as LangGraph has them."""
    return [(w.task_id, w.channel, serde.loads_typed((w.type, w.data))) for w in writes]


def read_tuples(
    serde: SerializerProtocol, steps: Sequence[Step], *, with_heads: bool = False
) -> Generator[Query, list[tuple[Any, ...]], list[Found]]:
    """The checkpoints of some steps of one namespace of one run."""
    if not steps:
        return []
    place = steps[0].place
    refs = {(name, ref) for step in steps for name, ref in step.refs.items()}
    rows = (yield from read_entries(place, refs)) if refs else {}
    writes = yield from read_writes(place, [step.place.step for step in steps])
    return [_found(serde, step, rows, writes[step.place.step], with_heads) for step in steps]


def _found(
    serde: SerializerProtocol,
    step: Step,
    rows: Mapping[str, Mapping[str, Entry]],
    writes: Sequence[TaskWrite],
    with_heads: bool,  # noqa: FBT001
) -> Found:
    values, heads = dict(step.small), {}
    for name, (at, base) in step.refs.items():
        entries = entries_of(rows, name, at)
        values[name] = decode(serde, entries)  # anew: no two checkpoints share what can change
        if with_heads:
            heads[name] = head(serde, at, base, values[name], entries)
    checkpoint: Any = {**step.checkpoint, "id": step.place.step, "channel_values": values}
    parent = step.place.config(step.parent) if step.parent else None
    made = CheckpointTuple(
        step.place.config(), checkpoint, step.metadata, parent, pending(serde, writes)
    )
    return Found(made, heads)
