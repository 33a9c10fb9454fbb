"""I7: a run is rolled back in reverse order, each undo once, and as it was confirmed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .findings import CLOCKS_APART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .evidence import Row
    from .findings import Findings


def each_undo_once(found: Findings) -> Iterator[str]:
    """Each undo happened as often as its record says, once at most unless under one key."""
    for undo in found.undos.values():
        effects = found.undone.get(undo.id, [])
        told = f"undo {undo.id} of call {undo.call_id}"
        keys = {effect.key for effect in effects}
        if len(effects) > 1 and (undo.recovery != "same_key" or len(keys) > 1 or None in keys):
            yield f"{told} happened {len(effects)} times"
        if undo.attested_by is not None:
            continue
        if undo.state == "succeeded" and not effects:
            yield f"{told} is recorded as succeeded and never happened"
        differs = (
            undo.restored is False
        )  # it ran to its end, and its target is otherwise all the same
        if undo.state not in ("succeeded", "in_doubt") and effects and not differs:
            yield f"{told} is recorded as {undo.state} and happened: {undo.error}"
    for effect in found.taken_back:
        if effect.undo not in found.undos:
            yield f"undo {effect.undo} happened and is not in the journal"


def each_call_once(found: Findings) -> Iterator[str]:
    """No call is undone by two undos, and none is `undone` that no undo took back."""
    taken: dict[str, set[str | None]] = {}
    for effect in found.taken_back:
        taken.setdefault(effect.call, set()).add(effect.undo)
    for call, undos in taken.items():
        late = any(undo and found.stood_still(undo) for undo in undos)
        if len(undos) > 1 and not late:
            yield f"call {call} was taken back by {len(undos)} undos"
    done = {undo.call_id for undo in found.undos.values() if undo.state == "succeeded"}
    for call in found.calls.values():
        if (call.state == "undone") != (call.id in done):
            yield f"{call.tool} {call.id} is {call.state} and its undos do not say so"


def in_reverse(found: Findings) -> Iterator[str]:
    """What was done later is undone earlier: by plan, and as the world saw it."""
    for rollback, undos in found.undos_of.items():
        ordered = sorted(undos, key=lambda undo: undo.position)
        for before, after in pairwise(ordered):
            if _ended_before_it(found, before.call_id, after.call_id):
                yield (
                    f"rollback {rollback} undoes call {before.call_id} before {after.call_id}, "
                    "which came after it"
                )
        happened = [effect.at for undo in ordered for effect in found.undone.get(undo.id, [])[:1]]
        if happened != sorted(happened):
            yield f"rollback {rollback} was carried out in another order than planned"


def _ended_before_it(found: Findings, one: str, other: str) -> bool:
    """Whether a call was over when the other one started for the first time."""
    ended = found.calls[one].finished_at
    starts = found.started(other)
    return bool(ended and starts) and ended < min(start.at for start in starts)


def as_confirmed(found: Findings) -> Iterator[str]:
    """Nothing is undone before that was asked for, and approved where it has to be."""
    approved = {each.approval_id: each.at for each in found.all.decisions if each.kind == "approve"}
    for effect in found.taken_back:
        undo = found.undos.get(effect.undo or "")
        if undo is None:
            continue
        rollback = found.rollbacks[undo.rollback_id]
        told = f"undo {undo.id} of call {undo.call_id}"
        if not any(start.at <= effect.at for start in found.started(undo.id)):
            yield f"{told} happened before its start was committed"
        if rollback.approval_id and effect.at < approved.get(rollback.approval_id, float("inf")):
            yield f"{told} happened without an approval of its plan"
        if undo.effect == "irreversible" and not rollback.approval_id:
            yield f"{told} does not come back, and its plan needed no approval"
        if not _was_done(found, undo):
            yield f"{told} took back what was not done"


def _was_done(found: Findings, undo: Row) -> bool:
    return undo.unsure or bool(found.effects.get(undo.call_id))


def none_after_all(found: Findings) -> Iterator[str]:
    """What a person attested that it was not undone is not undone later, nor after its time."""
    for undo in found.undos.values():
        for effect in found.undone.get(undo.id, []):
            if found.stood_still(undo.id):
                continue
            told = f"undo {undo.id} of call {undo.call_id}"
            if effect.at > undo.send_before + CLOCKS_APART:
                yield f"{told} happened after its time to be sent"
            attested = undo.attested_by is not None and undo.state == "failed"
            if attested and effect.at > undo.finished_at:
                yield f"{told} happened after {undo.attested_by} attested that it did not"


def rollbacks_honoured(found: Findings) -> Iterator[str]:
    """What was acknowledged to be rolled back is, or says why not; none is left half-way."""
    asked = {(each.run_id, each.digest) for each in found.rollbacks.values()}
    open_ = {each.run_id for each in found.all.approvals if each.state == "pending"}
    for ack in found.all.acks:
        if ack.kind == "rollback" and (ack.run, ack.digest) not in asked:
            yield f"the acknowledged rollback {ack.digest} of run {ack.run} does not exist"
    for rollback in found.rollbacks.values():
        if rollback.state != "ended" and (
            rollback.state != "waiting" or rollback.run_id not in open_
        ):
            yield f"rollback {rollback.id} is stuck as {rollback.state}"
        states = {undo.state for undo in found.undos_of.get(rollback.id, [])}
        if rollback.outcome == "undone" and states != {"succeeded"}:
            yield f"rollback {rollback.id} ended as undone, and its undos are {sorted(states)}"
        if rollback.outcome in ("rejected", "expired", "stale") and states - {"cancelled"}:
            yield f"rollback {rollback.id} is {rollback.outcome}, its undos {sorted(states)}"


def undo_doubt_has_a_cause(found: Findings) -> Iterator[str]:
    """An undo in doubt was in the hands of a worker that was killed or stopped in it."""
    for entry in found.all.audit:
        if entry.event == "undo.in_doubt" and not found.was_hit(entry.subject, entry.at):
            yield f"undo {entry.subject} came into doubt although nothing hit its worker"


RULES = (
    ("I7", each_undo_once),
    ("I7", each_call_once),
    ("I7", in_reverse),
    ("I7", as_confirmed),
    ("I7", none_after_all),
    ("I7", rollbacks_honoured),
    ("I9", undo_doubt_has_a_cause),
)
