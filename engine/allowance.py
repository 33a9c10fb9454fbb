"""What a run may still do under its limits: counted before the work, by one lock for all of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..policies.evaluator import RunSoFar
from ..policies.verdict import Outcome
from ..tools.effect import Effect
from .limits import LimitReached, Usage, next_call, next_held

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call import Proposal
    from .calls_made import CallsMade
    from .outbox import Outbox
    from .runs import Claim


class Allowance:
    """The limits of one execution's run; only its executor counts, so nothing else can pass them.

    `active_ms` is how long this execution has been active.
    """

    def __init__(
        self, claim: Claim, outbox: Outbox, made: CallsMade, active_ms: Callable[[], int]
    ) -> None:
        self._limits = claim.limits
        self._before_ms = claim.usage.active_ms
        self._outbox = outbox
        self._made = made
        self._active_ms = active_ms
        self._lock = threading.Lock()

    def used(self) -> Usage:
        """What the run has used so far."""
        active_ms = self._before_ms + self._active_ms()
        made = self._made
        return Usage(self._outbox.steps, len(made), len(made.irreversible), active_ms)

    def so_far(self, key: bytes) -> RunSoFar:
        """What the run did before this call, as its policy sees it."""
        calls, irreversible = self._made.before(key)
        return RunSoFar(calls, irreversible, self.used().active_ms // 1000)

    def time_is_up(self) -> LimitReached | None:
        """Whether the run was active for as long as it may."""
        allowed = self._limits.seconds
        if self._before_ms + self._active_ms() < allowed * 1000:
            return None
        return LimitReached("seconds", allowed, "no further call was started.")

    def count(self, proposal: Proposal, *, is_granted: bool = False) -> LimitReached | None:
        """Count one more call, or one more that waits; else the limit that has no room for it.

        What a grant covers does not wait.
        """
        is_reviewed = proposal.verdict.outcome is Outcome.REVIEW
        is_held = is_reviewed and not is_granted
        is_final = is_reviewed and proposal.classification.effect is Effect.IRREVERSIBLE
        with self._lock:
            reached = self._reached(proposal, is_held=is_held, is_final=is_final)
            if reached is None:
                self._add(proposal, is_held=is_held, is_final=is_final)
            return reached

    def _reached(self, proposal: Proposal, *, is_held: bool, is_final: bool) -> LimitReached | None:
        made, used = self._made, self.used()
        key, tool = proposal.key, proposal.spec.name
        if key not in made:
            reached = next_call(self._limits, used, tool, made.repeats(tool, proposal.args))
            if reached:
                return reached
        if not (is_held or is_final):
            return None
        counts = is_final and key not in made.irreversible
        others = made.waiting - {key} if is_held else ()
        return next_held(self._limits, used, tool, len(others), irreversible=counts)

    def _add(self, proposal: Proposal, *, is_held: bool, is_final: bool) -> None:
        made, key = self._made, proposal.key
        if key not in made:
            made.add(key, proposal.spec.name, proposal.args)
        if is_held:
            made.waiting.add(key)
        if is_final:
            made.irreversible.add(key)
