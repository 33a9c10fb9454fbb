"""What led to a violation, told from the log of the database, the world and the faults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .checker import Violation
    from .field import Field

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RUNS = """
select distinct run_id::text from audit_log
where %(id)s::uuid in (run_id, call_id, approval_id, subject) and run_id is not null
"""
_ENTRIES = """
select extract(epoch from at)::float8 as at, event, actor, state, call_id::text, subject::text
from audit_log where run_id = %(run)s::uuid order by seq
"""


def tell(field: Field, violation: Violation) -> str:
    """The violation with its seed, and all that is known of the runs that it names."""
    lines = [f"{violation.invariant}: {violation.what}", f"seed {field.seed}"]
    runs = {run for named in _ID.findall(violation.what) for (run,) in field.rows(_RUNS, id=named)}
    for run in sorted(runs):
        lines += ["", f"run {run}", *_told(field, run)]
    return "\n".join(lines) + "\n"


def _told(field: Field, run: str) -> list[str]:
    entries = field.rows(_ENTRIES, run=run)
    moments = [
        (
            each.at,
            f"{each.event} {each.state or ''} by {each.actor} about {each.call_id} {each.subject}",
        )
        for each in entries
    ]
    workers = {str(each.actor).removeprefix("worker:") for each in entries}
    moments += [
        (fault.at, f"FAULT {fault.kind} of {fault.worker} at {fault.point}")
        for fault in field.faults
        if fault.worker is None or fault.worker in workers
    ]
    effects = [effect for effect in field.evidence.effects if effect.run == run]
    moments += [
        (
            each.at,
            f"EFFECT {each.tool} {each.sent} call {each.call} undo {each.undo} key {each.key}",
        )
        for each in effects
    ]
    moments += [
        (ack.at, f"ACK {ack.kind} by {ack.by} approval {ack.approval} said {ack.said}")
        for ack in field.evidence.acks
        if ack.run == run
    ]
    ours = (entries[0].at - 1, entries[-1].at + 60) if entries else (0, float("inf"))
    return [f"{at:.3f} {what}" for at, what in sorted(moments) if ours[0] <= at <= ours[1]]
