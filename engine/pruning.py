"""Taking checkpoints of a run away, so that none which stays rests on one that went.

What a step that stays has stored as a difference from one that goes is stored whole first; what the
tasks of a step that stays wrote, and a step that goes holds, is moved to rows of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .channel_values import chain_of, entries_of, joined
from .errors import Conflict
from .group_commit import Query
from .step_rows import (
    Place,
    Step,
    pack_state,
    pack_writes,
    packed_entries,
    read_step,
    task_write,
    unpack_entries,
    unpack_writes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from .channel_values import Entry

    Ask = Callable[[Query], list[tuple[Any, ...]]]

_COUNTERS = "counters_since_delta_snapshot"
"""LangGraph's metadata of channels whose value is in the writes since an earlier step."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run whose checkpoints are pruned; `held` is the epoch of the asker that executes it."""

    tenant: str
    id: UUID
    held: int | None = None


def lock(ask: Ask, run: Run) -> None:
    """Have the run rest for the length of the transaction.

    Raises:
        Conflict: it is being executed, and its next step may rest on any earlier one.
    """
    query = "select status, epoch from runs where tenant_id = $1 and id = $2 for update"
    for status, epoch in ask(Query(query, (run.tenant, run.id))):
        if status == "running" and epoch != run.held:
            raise Conflict(f"Run {run.id} is being executed; its steps stay until it rests.")


def delete_all(ask: Ask, run: Run) -> None:
    """Take every checkpoint of a run away."""
    for table in ("step_writes", "steps"):
        text = f"delete from {table} where tenant_id = $1 and run_id = $2"  # noqa: S608 - two names
        ask(Query(text, (run.tenant, run.id)))


def keep_latest(ask: Ask, run: Run) -> None:
    """Take all but the newest checkpoint of each namespace away.

    Where a channel's value is in the writes of earlier steps, those stay back to where it is whole.
    """
    for ns, steps in _known(ask, run).items():
        parents = {step.id: step for step in steps}
        stays = max(parents)
        kept = {stays}
        open_channels = parents[stays].deltas - parents[stays].channels
        while open_channels and (parent := parents[stays].parent) in parents:
            kept.add(parent)
            open_channels -= parents[parent].channels
            stays = parent
        remove(ask, Place(run.tenant, run.id, ns, ""), parents.keys() - kept)


def delete_tagged(ask: Ask, run: Run, tags: Sequence[str]) -> None:
    """Take the checkpoints away whose metadata names one of these run ids of LangGraph's."""
    for ns, steps in _known(ask, run).items():
        gone = {step.id for step in steps if step.tag in tags}
        remove(ask, Place(run.tenant, run.id, ns, ""), gone)


@dataclass(frozen=True, slots=True)
class _Known:
    id: str
    parent: str
    channels: frozenset[str]
    deltas: frozenset[str]
    tag: str | None


def _known(ask: Ask, run: Run) -> Mapping[str, list[_Known]]:
    """The steps of a run by namespace."""
    query = (
        "select run_id, ns, id, parent_id, state, metadata from steps"
        " where tenant_id = $1 and run_id = $2"
    )
    found: dict[str, list[_Known]] = {}
    for row in ask(Query(query, (run.tenant, run.id))):
        step = read_step(run.tenant, row)
        channels = frozenset({*step.small, *step.refs})
        deltas = frozenset(step.metadata.get(_COUNTERS) or ())
        known = _Known(
            step.place.step, step.parent or "", channels, deltas, step.metadata.get("run_id")
        )
        found.setdefault(step.place.ns, []).append(known)
    return found


def tagged_runs(tenant: str, tags: Sequence[str]) -> Query:
    """The runs with a checkpoint of one of these run ids of LangGraph's."""
    text = (
        "select distinct run_id from steps"
        " where tenant_id = $1 and metadata ->> 'run_id' = any($2::text[])"
    )
    return Query(text, (tenant, list(tags)))


def copy_all(tenant: str, source: UUID, target: UUID) -> Query:
    """Copy every checkpoint of a run to another run."""
    return Query(
        "with w as (insert into step_writes select tenant_id, $3, ns, step_id, task_id, idx,"
        " task_path, channel, type, value from step_writes where tenant_id = $1 and run_id = $2)"
        " insert into steps select tenant_id, $3, ns, id, parent_id, state, channels, writes,"
        " metadata from steps where tenant_id = $1 and run_id = $2",
        (tenant, source, target),
    )


def remove(ask: Ask, place: Place, gone: Iterable[str]) -> None:
    """Take these steps of one namespace away."""
    gone = set(gone)
    if not gone:
        return
    where = (place.tenant, place.run_id, place.ns)
    columns = "run_id, ns, id, parent_id, state, metadata, channels, writes"
    text = f"select {columns} from steps where tenant_id = $1 and run_id = $2 and ns = $3"  # noqa: S608 - constant
    rows = ask(Query(text, where))
    _keep_writes(ask, place, rows, gone)
    entries = {row[2]: unpack_entries(row[6]) for row in rows}
    for row in rows:
        if row[2] not in gone:
            _make_whole(ask, read_step(place.tenant, row[:6]), row, entries, gone)
    for table, column in (("step_writes", "step_id"), ("steps", "id")):
        delete = f"delete from {table} where tenant_id = $1 and run_id = $2 and ns = $3"  # noqa: S608 - two names
        ask(Query(f"{delete} and {column} = any($4::text[])", (*where, sorted(gone))))


def _keep_writes(ask: Ask, place: Place, rows: Sequence[tuple[Any, ...]], gone: set[str]) -> None:
    """The writes of a step are in the rows of its children."""
    where = (place.tenant, place.run_id, place.ns)
    for _, _, step, parent, _, _, channels, writes in rows:
        if writes is None or (step in gone) == (parent in gone):
            continue
        if step in gone:
            owner = Place(*where, parent)
            for write in unpack_writes(writes, channels):
                values = task_write(owner, write).values
                places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
                ask(Query(f"select put_step_write({places})", values))
        else:
            text = "update steps set writes = null where tenant_id = $1 and run_id = $2 and ns = $3"
            ask(Query(f"{text} and id = $4", (*where, step)))


def _make_whole(
    ask: Ask,
    step: Step,
    row: tuple[Any, ...],
    entries: Mapping[str, dict[str, Entry]],
    gone: set[str],
) -> None:
    """Store the channels whole that rest on a step that goes."""
    refs, own = dict(step.refs), dict(entries[step.place.step])
    for name, (at, _) in step.refs.items():
        if gone.isdisjoint(chain_of(entries, name, at)):
            continue
        own[name] = joined(entries_of(entries, name, at))
        refs[name] = (step.place.step, step.place.step)
    if refs == step.refs:
        return
    place = step.place
    *_, channels, writes = row
    ask(
        Query(
            "update steps set state = $5, channels = $6,"
            " writes = case when writes is not null then $7::bytea end"
            " where tenant_id = $1 and run_id = $2 and ns = $3 and id = $4",
            (
                *(place.tenant, place.run_id, place.ns, place.step),
                pack_state(step.checkpoint, step.small, refs),
                packed_entries(own),
                pack_writes(unpack_writes(writes, channels), own) if writes is not None else None,
            ),
        )
    )
