"""Holds world, database and acknowledgements against each other: one rule for each invariant."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import undo_rules
from .findings import CLOCKS_APART, Findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .evidence import Ack, Evidence, Row

NEVER_STARTED = frozenset({"rejected", "expired", "cancelled", "superseded", "forbidden"})
SUCCEEDED = frozenset({"succeeded", "undoing", "undone", "undo_failed"})
EXPECTED = frozenset({"call", "in_doubt"})
"""Questions for which a run may wait here: none comes to its limits, and no agent changes."""
GOOD_EXITS = frozenset({"completed", "cancelled"})
MOST_REJECTIONS = 3
"""In a row, of one run; it ends with them."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What was broken, and where."""

    invariant: str
    what: str


def check(evidence: Evidence) -> list[Violation]:
    """Every violation of an invariant."""
    found = Findings(evidence)
    return [Violation(name, what) for name, rule in RULES for what in rule(found)]


def one_effect(found: Findings) -> Iterator[str]:
    """Each call happened as often as its record says, once at most unless under one key."""
    for call in found.calls.values():
        effects = found.effects.get(call.id, [])
        told = f"{call.tool} {call.id}"
        keys = {effect.key for effect in effects}
        if len(effects) > 1 and (call.recovery != "same_key" or len(keys) > 1 or None in keys):
            yield f"{told} happened {len(effects)} times"
        if call.effect == "read" or call.attested_by is not None:
            continue
        if call.state in SUCCEEDED and not effects and not _undone_unsure(found, call):
            yield f"{told} is recorded as {call.state} and never happened"
        excused = call.verified and found.stood_still(call.id)
        if call.state == "failed" and effects and not excused:
            yield f"{told} is recorded as failed and happened: {call.error}"


def one_call_each(found: Findings) -> Iterator[str]:
    """Nothing was done by two calls: each argument is of one alone."""
    calls: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for effect in found.done:
        calls[effect.run, effect.tool, effect.sent].add(effect.call)
    for (run, tool, sent), by in calls.items():
        if len(by) > 1:
            yield f"run {run} did {tool} {sent} by {len(by)} calls"


def _undone_unsure(found: Findings, call: Row) -> bool:
    """Whether it was undone while nobody knew that it had happened."""
    return any(undo.call_id == call.id and undo.unsure for undo in found.undos.values())


def approved_bytes(found: Findings) -> Iterator[str]:
    """What was sent has the digest that the reviewer approved."""
    approved = {ack.approval: ack.digest for ack in found.all.acks if ack.kind == "approve"}
    for effect in found.done:
        call = found.calls.get(effect.call)
        if call is None:
            continue
        digest = digest_of(call, effect.sent)
        if (effect.tool, digest) != (call.tool, call.digest):
            yield f"{effect.tool} sent {effect.sent}, the journal has {call.tool} {call.args}"
        if digest != approved.get(call.approval_id, digest):
            yield f"{effect.tool} {effect.call} sent {effect.sent}, which nobody approved"


def digest_of(call: Row, args: str) -> str:
    """The digest of the call with these arguments, made here anew."""
    text = (
        f'{{"args":{args},"key":"{call.key}","run":"{call.run_id}",'
        f'"tool":"{call.tool}","tool_version":"{call.tool_version}"}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def decisions_honoured(found: Findings) -> Iterator[str]:
    """Whatever a client was told that it is recorded is recorded, and had its consequence."""
    stored = {(each.approval_id, each.reviewer, each.kind) for each in found.all.decisions}
    for ack in found.all.acks:
        if ack.kind in ("moved", "rollback"):
            continue
        run = found.runs.get(ack.run)
        if run is None:
            yield f"the acknowledged run {ack.run} does not exist"
            continue
        if ack.approval is not None and (ack.approval, ack.by, ack.kind) not in stored:
            yield f"{ack.by}'s {ack.kind} of {ack.approval} was acknowledged and is not recorded"
            continue
        approval = found.approvals.get(ack.approval or "")
        if approval is not None and approval.kind == "rollback":
            honoured = approval.state in _OF_A_PLAN[ack.kind]
        else:
            honoured = _HONOURED[ack.kind](found, ack, run)
        if not honoured:
            call = found.call_of(ack)
            yield (
                f"{ack.by}'s {ack.kind} of {ack.approval} was not honoured: "
                f"call {call and call.state}, run {run.status} {run.exit}"
            )


def decided_for_good(found: Findings) -> Iterator[str]:
    """A decision and what it does are recorded together."""
    for decision in found.all.decisions:
        if found.approvals[decision.approval_id].state == "pending":
            yield f"{decision.reviewer} decided {decision.approval_id}, and it is open"


def not_after_all(found: Findings) -> Iterator[str]:
    """What a person attested that it did not happen does not happen later.

    But for a process that stood still between its last look at the lease and the effect's arrival.
    """
    for ack in found.all.acks:
        call = found.call_of(ack)
        if ack.kind != "answer" or call is None or (ack.said or {}).get("happened"):
            continue
        if found.approvals[ack.approval or ""].undo:
            continue
        for effect in found.effects.get(call.id, []):
            if effect.at > ack.at and not found.stood_still(call.id):
                yield f"{call.tool} {call.id} happened after {ack.by} attested that it did not"


def none_too_late(found: Findings) -> Iterator[str]:
    """Nothing arrives after its time to be sent, and no "it did not happen" counts before that."""
    for call in found.calls.values():
        if call.send_before is None:
            continue
        for effect in found.effects.get(call.id, []):
            late = effect.at - call.send_before
            if late > CLOCKS_APART and not found.stood_still(call.id):
                yield f"{call.tool} {call.id} happened {late:.1f} s after its time to be sent"
        looked = call.state == "failed" and (call.attested_by or call.verified)
        if looked and call.finished_at < call.send_before:
            yield f"{call.tool} {call.id} could still be sent when it was said not to have happened"


def void_after_a_move(found: Findings) -> Iterator[str]:
    """What was approved only when its target had changed does not start on that approval."""
    for ack in found.all.acks:
        call = found.call_of(ack)
        if ack.kind == "moved" and call is not None and call.starts:
            yield f"{call.tool} {call.id} was started although its target had changed"


def _approved(found: Findings, ack: Ack, run: Row) -> bool:
    call, state = found.call_of(ack), found.approvals[ack.approval or ""].state
    if state == "consumed":
        return call is not None and call.starts > 0
    again = call is not None and call.state == "superseded" and bool(_next_of(found, call))
    return state == "lapsed" and (again or run.exit == "cancelled")


def _rejected(found: Findings, ack: Ack, _: Row) -> bool:
    call, state = found.call_of(ack), found.approvals[ack.approval or ""].state
    return state == "rejected" and call is not None and (call.state, call.starts) == ("rejected", 0)


def _edited(found: Findings, ack: Ack, run: Row) -> bool:
    call, state = found.call_of(ack), found.approvals[ack.approval or ""].state
    if call is None or state != "superseded":
        return False
    said = [each for each in _next_of(found, call) if json.loads(each.args) == ack.said]
    return bool(said) or run.exit == "cancelled"


def _next_of(found: Findings, call: Row) -> list[Row]:
    what = (call.run_id, call.key, call.revision + 1)
    return [each for each in found.all.calls if (each.run_id, each.key, each.revision) == what]


def _answered(found: Findings, ack: Ack, _: Row) -> bool:
    undo = found.approvals[ack.approval or ""].undo
    asked = found.undos.get(undo) if undo else found.call_of(ack)
    happened = bool((ack.said or {}).get("happened"))
    # what a worker reports later than the person attests is noted, and changes nothing
    return (
        asked is not None
        and asked.attested_by == ack.by
        and asked.state in (SUCCEEDED if happened else {"failed"})
    )


_HONOURED: dict[str, Callable[[Findings, Ack, Any], bool]] = {
    "created": lambda *_: True,
    "cancel": lambda _, __, run: run.status == "ended",
    "approve": _approved,
    "reject": _rejected,
    "edit": _edited,
    "answer": _answered,
}


_OF_A_PLAN = {"approve": ("consumed", "lapsed"), "reject": ("rejected",)}
"""What becomes of the approval of a rollback."""


def approved_before(found: Findings) -> Iterator[str]:
    """Nothing happened that was not started, nothing irreversible that nobody had approved."""
    approvals: dict[str, list[Row]] = defaultdict(list)
    for decision in found.all.decisions:
        if decision.kind == "approve":
            approvals[decision.approval_id].append(decision)
    for effect in found.done:
        call = found.calls.get(effect.call)
        told = f"{effect.tool} {effect.call}"
        if call is None:
            yield f"{told} happened and is not in the journal"
        elif not any(start.at <= effect.at for start in found.started(call.id)):
            yield f"{told} happened before its start was committed"
        elif call.effect == "irreversible" and not any(
            each.at <= effect.at and each.digest == call.digest
            for each in approvals[call.approval_id]
        ):
            yield f"{told} happened without an approval before it"


def none_after_no(found: Findings) -> Iterator[str]:
    """What was rejected, expired or cancelled did not start, and did not happen."""
    for call in found.calls.values():
        if call.state in NEVER_STARTED and (call.starts or found.effects.get(call.id)):
            yield f"{call.tool} {call.id} is {call.state} and was started or happened"
    told_no: dict[str, float] = {}
    for ack in found.all.acks:
        if ack.kind == "cancel":
            told_no.setdefault(ack.run, ack.at)
    for entry in found.all.audit:
        if entry.event == "call.started" and entry.at > told_no.get(entry.run_id, entry.at):
            yield f"call {entry.call_id} started after its run was acknowledged as cancelled"


def all_at_rest(found: Findings) -> Iterator[str]:
    """Every run is ended, or waits for a question that is open."""
    open_ = {
        each.run_id
        for each in found.all.approvals
        if each.state == "pending" and each.kind in EXPECTED
    }
    for run in found.all.runs:
        if run.status == "ended":
            if run.exit not in GOOD_EXITS and not _was_rejected(found, run):
                yield f"run {run.id} ended as {run.exit}: {run.exit_reason}"
        elif run.status != "waiting" or run.id not in open_:
            yield f"run {run.id} is stuck as {run.status}"
    for call in found.calls.values():
        if call.state == "executing":
            yield f"{call.tool} {call.id} is executing and nobody executes it"


def _was_rejected(found: Findings, run: Row) -> bool:
    """Whether it ended because its last decisions were all rejections, as many as end a run."""
    asked = {each.id for each in found.all.approvals if each.run_id == run.id}
    given = [each for each in found.all.decisions if each.approval_id in asked]
    last = sorted(given, key=lambda each: each.at)[-MOST_REJECTIONS:]
    rejections = [each for each in last if each.kind == "reject"]
    return run.exit == "rejected" and len(rejections) == MOST_REJECTIONS


def no_fork(found: Findings) -> Iterator[str]:
    """A run's steps are one chain."""
    children = Counter((step.run_id, step.ns, step.parent_id) for step in found.all.steps)
    for (run, ns, parent), count in children.items():
        if count > 1:
            yield f"run {run} forked: {count} steps follow {parent} in '{ns}'"


def doubt_has_a_cause(found: Findings) -> Iterator[str]:
    """A call in doubt was in the hands of a worker that was killed or stopped in mid-call."""
    for entry in found.all.audit:
        if entry.event == "call.in_doubt" and not found.was_hit(entry.call_id, entry.at):
            yield f"call {entry.call_id} came into doubt although nothing hit its worker"


RULES: tuple[tuple[str, Callable[[Findings], Iterator[str]]], ...] = (
    ("I1", one_effect),
    ("I1", one_call_each),
    ("I2", approved_bytes),
    ("I3", decisions_honoured),
    ("I3", decided_for_good),
    ("I3", not_after_all),
    ("I4", approved_before),
    ("I4", void_after_a_move),
    ("I5", none_after_no),
    ("I5", none_too_late),
    ("I6", all_at_rest),
    ("I8", no_fork),
    *undo_rules.RULES,
    ("I9", doubt_has_a_cause),
)
