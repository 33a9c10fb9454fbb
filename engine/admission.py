"""Whether a call may run: judged on the spot, put to a person, or answered from its record."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from ..tools.gated import Refused, serving_call
from ..tools.questions import is_question
from . import journal
from .begun import Begun, Considered
from .call import Call, Place, Proposal
from .checks import Checks
from .database import execute, gave_up
from .drift import Today
from .errors import CancelRequested
from .granting import Grants
from .judgement import show
from .lapse import Standing
from .leaving import REPEATABLE
from .lifecycle import CallState
from .limits import DayIsFull
from .records import Records
from .room import Room
from .starting import Starts
from .stops import RunStopped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ..tools.gated import Ask
    from .begun import Halting
    from .judgement import Judgement
    from .means import Means
    from .outcome import Succeeded
    from .recovery import Recovery


class Admission:
    """Admits the calls of one execution of a run."""

    def __init__(self, gate: Halting, means: Means, recovery: Recovery) -> None:
        self._gate = gate
        self._db = means.db
        self._agent = means.agent
        self._hold = means.claim.hold
        self._made = means.made
        self._checks = Checks(gate, means)
        self._starts = Starts(means)
        self._standing = Standing(means.db, self._hold)
        self._grants = Grants(means.db, self._hold)
        self._records = Records(gate, means, self._checks, self._starts, self._standing, recovery)
        self._room = Room(means.db, self._hold, means.agent.pending)

    def consider(self, ask: Ask, placed: tuple[Place, bytes]) -> Considered:
        """What can be said of a call without a look at the database.

        Raises:
            Refused: it does not run, and why.
            RunStopped: the run goes no further.
        """
        ask = self._checked(ask)
        step, judgement = self._at_once(ask, *placed)
        return Considered(ask, placed, step, judgement)

    async def aadmit(self, call: Considered) -> Begun | Succeeded:
        """As `admit`, on the event loop: what has to wait for a transaction does so in a thread."""
        step = call.step
        if step is not None:
            said = "written" if step.is_whole else await self._starts.acommit(call.ask, step)
            if said == "written":
                return step
            if said == "cancelled":
                await asyncio.to_thread(self._stop_cancelled)
        return await asyncio.to_thread(self._looked_up, call.ask, call.placed, call.judgement)

    def admit(self, ask: Ask, placed: tuple[Place, bytes]) -> Begun | Succeeded:
        """A call that may run now, or the result that it has; blocks.

        Raises:
            Refused: it does not run, and why.
            GraphInterrupt: it waits for a person.
            RunStopped: the run goes no further.
        """
        if ask.batch is not None and ask.batch.is_held:
            self._hold_back(self._checked(ask), *placed)
            raise Refused(f"{ask.tool.name} did not run yet: first all of its batch is decided.")
        call = self.consider(ask, placed)
        step = call.step
        if step is not None:
            said = "written" if step.is_whole else self._starts.commit(call.ask, step)
            if said == "written":
                return step
            if said == "cancelled":
                self._stop_cancelled()
        return self._looked_up(call.ask, placed, call.judgement)

    # Without the database ----------------------------------------------------------------------

    def _checked(self, ask: Ask) -> Ask:
        self._checks.check_stopped()
        ask = self._declared(ask)
        self._check_inside(ask)
        return ask

    def _declared(self, ask: Ask) -> Ask:
        """The call with the tool as the agent declares it, whatever a copy of it says of itself."""
        tool = self._agent.tool(ask.tool.name)
        if tool is None or tool.vault_key is not ask.tool.vault_key:
            raise Refused(
                f"{ask.tool.name} did not run: agent {self._agent.name} has no such tool."
            )
        return replace(ask, tool=tool)

    def _check_inside(self, ask: Ask) -> None:
        """Refuse a call from within a body that could not be started again after it waited."""
        outer = serving_call()
        for call in self._gate.calls_around(outer.call_id) if outer else ():
            if call.recovery not in REPEATABLE:
                raise Refused(
                    f"{ask.tool.name} did not run: it was called inside {call.tool}, which cannot "
                    "be taken up again once it has started. Call it from the graph."
                )

    def _at_once(self, ask: Ask, place: Place, key: bytes) -> tuple[Begun | None, Judgement | None]:
        """A new call that the policy allows; else what was judged so far."""
        if key in self._made:
            return None, None
        if not self._starts.is_held:
            return None, None
        judgement = self._checks.judge(ask, ask.args, key)
        if not judgement.is_allowed:
            return None, judgement
        proposal = _proposal(ask, place, key, 1, judgement)
        self._checks.count(proposal)
        return self._starts.begin(place, proposal, judgement), None

    # Transactions ------------------------------------------------------------------------------

    def _looked_up(
        self, ask: Ask, placed: tuple[Place, bytes], judgement: Judgement | None
    ) -> Begun | Succeeded:
        """T1 of a call that a person decides over, or whatever the call's record says.

        What rides is written before: the journal has a run's calls in the order of their causes.
        """
        place, key = placed
        with self._transacting():
            self._starts.hold_on()
            call = self._records.find(key)
            while True:
                step: Begun | Succeeded | Call
                if call is None or _to_revise(call):
                    step = self._propose(ask, place, key, call, judgement)
                else:
                    step = self._records.answer(ask, place, call)
                if not isinstance(step, Call):
                    return step
                call, judgement = step, None

    def _hold_back(self, ask: Ask, place: Place, key: bytes) -> None:
        """Ask a person for a call that needs one, and start nothing, whatever was decided.

        Raises:
            GraphInterrupt: it waits.
        """
        with self._transacting():
            self._starts.hold_on()
            call = self._records.find(key)
            while call is None or _to_revise(call):
                judgement = self._checks.judge(ask, _asked_for(ask, call), key)
                if call is None and self._grants.covering(ask.tool, judgement):
                    return
                if not (judgement.is_for_review or is_question(ask.tool)):
                    return
                call = self._request(ask, place, key, call, judgement)
            if call.state is CallState.WAITING:
                self._gate.park(place, call)
            if is_question(ask.tool) and call.state is not CallState.SUCCEEDED:
                self._records.unanswered(call)

    @contextmanager
    def _transacting(self) -> Iterator[None]:
        """A run cancelled, a day that is full, a database away: said in the gate's own words."""
        try:
            yield
        except CancelRequested as stop:
            self._gate.halt(stop)
            raise RunStopped(str(stop)) from None
        except DayIsFull as full:
            self._gate.halt(full.reached)
            raise RunStopped(str(full)) from None
        except DBAPIError as error:
            raise gave_up(error) from error

    def _propose(
        self, ask: Ask, place: Place, key: bytes, before: Call | None, judgement: Judgement | None
    ) -> Begun | Call:
        if before is not None or judgement is None:
            judgement = self._checks.judge(ask, _asked_for(ask, before), key)
        if not judgement.is_allowed:
            step = self._start_granted(ask, place, key, judgement) if before is None else None
            return step or self._request(ask, place, key, before, judgement)
        proposal = self._counted(ask, place, key, before, judgement)
        return self._start_allowed(ask, place, proposal, judgement)

    def _counted(
        self, ask: Ask, place: Place, key: bytes, before: Call | None, judgement: Judgement
    ) -> Proposal:
        """The next revision of a call, counted."""
        revision = 1 if before is None else before.revision + 1
        proposal = _proposal(ask, place, key, revision, judgement)
        self._checks.count(proposal)
        return proposal

    def _request(
        self, ask: Ask, place: Place, key: bytes, before: Call | None, judgement: Judgement
    ) -> Call:
        """T1 of a call that does not run by itself."""
        if judgement.is_for_review:
            self._room.check()
        proposal = self._counted(ask, place, key, before, judgement)
        shown = show(ask.tool, judgement)
        today = Today(ask.tool.spec, judgement, shown.fingerprint)
        changes = self._standing.lapsed_by(before, today) if before else ()
        used = self._checks.used()

        def write(conn: Connection) -> Call:
            return journal.propose(conn, self._hold, proposal, shown, used=used, changes=changes)

        with self._room.taken():
            return self._db.retry(write)

    def _start_allowed(
        self, ask: Ask, place: Place, proposal: Proposal, judgement: Judgement
    ) -> Begun | Call:
        """A call that runs by itself and is not the first of its key."""
        step = self._starts.begin(place, proposal, judgement)
        if step.is_whole:
            return step
        said = self._starts.commit(ask, step)
        if said == "written":
            return step
        if said == "cancelled":
            raise CancelRequested(self._cancelled_by())
        return self._records.get(proposal.key, proposal.spec.name)

    def _start_granted(
        self, ask: Ask, place: Place, key: bytes, judgement: Judgement
    ) -> Begun | None:
        """T1 and T3 in one of a new call that a grant covers and that uses it up; None without."""
        for grant_id in self._grants.covering(ask.tool, judgement):
            proposal = _proposal(ask, place, key, 1, judgement)
            self._checks.count(proposal, is_granted=True)
            step = replace(self._starts.begin(place, proposal, judgement), proposal=None)
            self._starts.keep_state(ask, step.call, step.arguments)
            if self._grants.start(proposal, step, grant_id, self._checks.used()):
                return step
        return None

    def _stop_cancelled(self) -> None:
        with self._transacting():
            raise CancelRequested(self._cancelled_by())

    def _cancelled_by(self) -> str:
        where = {"tenant": self._hold.tenant, "run_id": self._hold.run_id}
        row = self._db.retry(lambda conn: execute(conn, "lock_run", **where).one())
        return str(row.cancel_requested_by)


def _proposal(ask: Ask, place: Place, key: bytes, revision: int, judgement: Judgement) -> Proposal:
    return Proposal(
        key=key,
        revision=revision,
        place=place,
        spec=ask.tool.spec,
        args=judgement.args,
        classification=judgement.classification,
        verdict=judgement.verdict,
        context=judgement.context,
    )


def _asked_for(ask: Ask, before: Call | None) -> bytes:
    """The arguments to judge: as they were edited, or are asked for again."""
    return ask.args if before is None else before.edited_args or before.args


def _to_revise(call: Call) -> bool:
    """Whether a person edited it, its approval did not stand any more, or the run had ended."""
    edited = call.edited_args is not None
    return call.state is CallState.CANCELLED or (
        call.state is CallState.SUPERSEDED and (edited or call.is_lapsed)
    )
