"""What each call of an execution is checked against: its stop, its limits, and its policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..policies.evaluator import Principal
from .allowance import Allowance
from .judgement import judge
from .stops import RunStopped

if TYPE_CHECKING:
    from ..tools.gated import Ask
    from .begun import Halting
    from .call import Proposal
    from .judgement import Judgement
    from .limits import Usage
    from .means import Means


class Checks:
    """The checks of one execution of a run; none of them needs the database."""

    def __init__(self, gate: Halting, means: Means) -> None:
        claim, agent = means.claim, means.agent
        self._gate = gate
        self._agent = agent
        self._taint = means.taint
        self._principal = Principal(agent.name, claim.hold.tenant, claim.tags)
        self._allowance = Allowance(claim, means.outbox, means.made, gate.active_ms)

    def check_stopped(self) -> None:
        """Refuse to go on once the run is stopped, or was active for as long as it may.

        Raises:
            RunStopped: the run goes no further.
        """
        gate = self._gate
        if gate.stop is None and (reached := self._allowance.time_is_up()):
            gate.halt(reached)
        if gate.stop is not None:
            raise RunStopped(str(gate.stop))

    def count(self, proposal: Proposal, *, is_granted: bool = False) -> None:
        """One more call of the run, or one more that waits, if its limits have room for it.

        Raises:
            RunStopped: they have not; the run goes no further.
        """
        reached = self._allowance.count(proposal, is_granted=is_granted)
        if reached is not None:
            self._gate.halt(reached)
            raise RunStopped(str(reached))

    def judge(self, ask: Ask, args: bytes, key: bytes) -> Judgement:
        """What the call is, and what its policy says of it now."""
        run = self._allowance.so_far(key)
        return judge(self._agent, ask.tool, args, ask.injected, self._principal, run, self._taint)

    def used(self) -> Usage:
        """What the run has used so far."""
        return self._allowance.used()
