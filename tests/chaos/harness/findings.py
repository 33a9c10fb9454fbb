"""The evidence of a campaign by what belongs together, for the rules of the checker."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .evidence import Ack, Evidence, Fault, Row
    from .world import Effect

FAULTY = frozenset({"kill", "stop", "asleep"})
"""Faults after which a call of that worker may be in doubt."""
TOO_LATE_TO_LOOK = frozenset({"effect.before", "effect.sent", "undo.before", "undo.sent", None})
"""Where a worker that was stopped has looked at its lease for the last time; None is anywhere."""
CLOCKS_APART = 1.0
"""Seconds between two accounts of one moment: a busy machine takes its time in between."""


class Findings:
    """What happened, what is recorded, and what was said, each by what it is about."""

    def __init__(self, evidence: Evidence) -> None:
        self.all = evidence
        self.calls: dict[str, Row] = {call.id: call for call in evidence.calls}
        self.runs: dict[str, Row] = {run.id: run for run in evidence.runs}
        self.approvals: dict[str, Row] = {each.id: each for each in evidence.approvals}
        self.rollbacks: dict[str, Row] = {each.id: each for each in evidence.rollbacks}
        self.undos: dict[str, Row] = {each.id: each for each in evidence.undos}
        self.done = [effect for effect in evidence.effects if effect.undo is None]
        self.taken_back = [effect for effect in evidence.effects if effect.undo is not None]
        self.effects = _by(self.done, "call")
        self.undone: dict[str, list[Effect]] = _by(self.taken_back, "undo")
        self.undos_of = _by(evidence.undos, "rollback_id")
        self._starts = _by((e for e in evidence.audit if e.event == "call.started"), "call_id")
        self._undo_starts = _by((e for e in evidence.audit if e.event == "undo.started"), "subject")
        self._faults: dict[str, list[Fault]] = _by(
            (fault for fault in evidence.faults if fault.kind in FAULTY), "worker"
        )

    def started(self, what: str) -> list[Row]:
        """The starts of a call, or of an undo."""
        return self._starts.get(what, []) or self._undo_starts.get(what, [])

    def stood_still(self, what: str) -> bool:
        """Whether one that started the call or the undo stood still after its last look.

        What such a process does when it goes on, no engine can call back.
        """
        return any(
            fault.kind != "kill" and fault.point in TOO_LATE_TO_LOOK
            for start in self.started(what)
            for fault in self._faults.get(_worker(start), ())
        )

    def was_hit(self, what: str, before: float) -> bool:
        """Whether one that started it was killed or stopped after that, and before then."""
        return any(
            start.at - CLOCKS_APART <= fault.at <= before + CLOCKS_APART
            for start in self.started(what)
            for fault in self._faults.get(_worker(start), ())
        )

    def call_of(self, ack: Ack) -> Row | None:
        """The call that a decision is about."""
        approval = self.approvals.get(ack.approval or "")
        return self.calls.get(approval.call_id) if approval is not None else None


def _worker(start: Row) -> str:
    return str(start.actor).removeprefix("worker:")


def _by(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found
