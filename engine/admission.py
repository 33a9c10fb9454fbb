"""Whether a call may run, and what it has to do with the database before it does: T1 and T3."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from langchain_core.tools import ToolException
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from ..policies.evaluator import Principal
from ..tools.gated import Refused, serving_call
from ..tools.questions import is_question
from . import call_writes, journal
from .allowance import Allowance
from .begun import Begun, Considered
from .call import Call, Place, Proposal
from .database import execute, first_line
from .drift import Today
from .errors import Ambiguous, ApprovalVoid, CancelRequested, Conflict, DatabaseLost, Fenced
from .granting import Grants
from .judgement import judge, show
from .lapse import Standing
from .lease import clock
from .leaving import REPEATABLE
from .lifecycle import CallState
from .outcome import Failed, Succeeded
from .recovery import may_start_again
from .refusal import refusal, rejected_in_a_row, unanswered
from .state_before import is_kept, keep
from .stops import RunStopped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from sqlalchemy import Connection

    from ..tools.gated import Ask
    from .agent import Agent
    from .calls_made import CallsMade
    from .database import Database
    from .judgement import Judgement
    from .lease import Lease
    from .outbox import Outbox
    from .recovery import Recovery
    from .runs import Claim
    from .stops import Stop
    from .taint import Taint

_TAKE_BACK = 0.25
"""Seconds that a start which came to nothing waits for the run's next transaction."""


class Halting(Protocol):
    """What admission needs of the gate."""

    stop: Stop | None

    def halt(self, stop: Stop) -> None:
        """Let nothing start from now on."""

    def active_ms(self) -> int:
        """Milliseconds since this execution began."""

    def calls_around(self, call_id: UUID) -> list[Call]:
        """The begun call with this id, if it is one of this execution."""

    def park(self, place: Place, call: Call) -> None:
        """Interrupt the task: its call waits for a person."""


class Admission:
    """Admits the calls of one execution of a run."""

    def __init__(
        self,
        gate: Halting,
        db: Database,
        agent: Agent,
        claim: Claim,
        lease: Lease,
        term: int,
        outbox: Outbox,
        made: CallsMade,
        recovery: Recovery,
        taint: Taint,
    ) -> None:
        self._gate = gate
        self._db = db
        self._agent = agent
        self._claim = claim
        self._hold = claim.hold
        self._principal = Principal(agent.name, claim.hold.tenant, claim.tags)
        self._lease = lease
        self._held_in = term
        self._allowance = Allowance(claim, outbox, made, gate.active_ms)
        self._tokens: set[UUID | None] = set()
        self._outbox = outbox
        self._made = made
        self._recovery = recovery
        self._taint = taint
        self._standing = Standing(db, claim.hold)
        self._grants = Grants(db, claim.hold)

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
        if step is not None and not step.is_whole and is_kept(call.ask.tool, step.call):
            await asyncio.to_thread(self._keep_state, call.ask, step.call, step.arguments)
        if step is not None and (step.is_whole or await self._astarted(step) == "written"):
            return step
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
        if step is not None and not step.is_whole:
            self._keep_state(call.ask, step.call, step.arguments)
        if step is not None and (step.is_whole or self._started(step) == "written"):
            return step
        return self._looked_up(call.ask, placed, call.judgement)

    def _keep_state(self, ask: Ask, call: Call, arguments: Mapping[str, Any]) -> None:
        """How the call finds its target, for the comparison after its undo."""
        if not is_kept(ask.tool, call):
            return
        try:
            keep(self._db, self._hold, ask.tool, call, arguments)
        except DBAPIError as error:
            away = DatabaseLost(f"The database cannot be used: {first_line(error)}.")
            raise away from error

    async def _astarted(self, step: Begun) -> str:
        with self._taking_back(step):
            return (await self._outbox.commit(**self._start_of(step)))[0]

    def _started(self, step: Begun) -> str:
        """Commit a start; what the database said of it."""
        with self._taking_back(step):
            return self._outbox.commit_now(**self._start_of(step))[0]

    def _start_of(self, step: Begun) -> dict[str, Any]:
        """What to commit; not after a lapse of the lease, since the body would not run then."""
        if step.proposal is None:
            raise Conflict(f"The call of {step.call.tool} was not proposed; it did not run.")
        start = call_writes.started(self._hold, step.proposal, step.call)
        return {"fenced": [start], "is_wanted": lambda: self._lease.is_good(step.term)}

    @contextmanager
    def _taking_back(self, step: Begun) -> Iterator[None]:
        """A start that was given up may be committed all the same: then it is not left in doubt."""
        try:
            yield
        except (Fenced, DatabaseLost):
            failed = Failed("It was not started in time, so nothing was sent.")
            write = call_writes.finished(self._hold, step.call, step.token, failed)
            self._outbox.ride(linger=_TAKE_BACK, free=[write])
            raise

    # Checks that need no database --------------------------------------------------------------

    def _checked(self, ask: Ask) -> Ask:
        self._check_stopped()
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

    def _check_stopped(self) -> None:
        gate = self._gate
        if gate.stop is None and (reached := self._allowance.time_is_up()):
            gate.halt(reached)
        if gate.stop is not None:
            raise RunStopped(str(gate.stop))

    def _count(self, proposal: Proposal, *, is_granted: bool = False) -> None:
        """One more call of the run, or one more that waits, if its limits have room for it."""
        reached = self._allowance.count(proposal, is_granted=is_granted)
        if reached is not None:
            self._gate.halt(reached)
            raise RunStopped(str(reached))

    def _judge(self, ask: Ask, args: bytes, key: bytes) -> Judgement:
        run = self._allowance.so_far(key)
        return judge(self._agent, ask.tool, args, ask.injected, self._principal, run, self._taint)

    def _proposal(
        self, ask: Ask, place: Place, key: bytes, revision: int, judgement: Judgement
    ) -> Proposal:
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

    def _at_once(self, ask: Ask, place: Place, key: bytes) -> tuple[Begun | None, Judgement | None]:
        """A new call that the policy allows; else what was judged so far."""
        if key in self._made:
            return None, None
        if not self._lease.is_good(self._held_in):
            return None, None
        judgement = self._judge(ask, ask.args, key)
        if not judgement.is_allowed:
            return None, judgement
        proposal = self._proposal(ask, place, key, 1, judgement)
        self._count(proposal)
        return self._begin(place, proposal, judgement), None

    def _begin(self, place: Place, proposal: Proposal, judgement: Judgement) -> Begun:
        term = self._lease.term()
        if term != self._held_in:
            raise Fenced(
                "This worker's lease ran out while a call was judged, so it did not start."
            )
        token: UUID = uuid7()
        call = call_writes.begin(self._hold, proposal, token)
        return self._mine(Begun(call, place, token, judgement.typed, term, proposal))

    def _mine(self, step: Begun) -> Begun:
        self._tokens.add(step.token)
        return step

    # Transactions ------------------------------------------------------------------------------

    def _looked_up(
        self, ask: Ask, placed: tuple[Place, bytes], judgement: Judgement | None
    ) -> Begun | Succeeded:
        """T1 of a call that a person decides over, or whatever the call's record says.

        What rides is written before: the journal has a run's calls in the order of their causes.
        """
        place, key = placed
        with self._transacting():
            self._hold_on()
            call = self._db.retry(lambda conn: journal.find(conn, self._hold, key))
            while True:
                step: Begun | Succeeded | Call
                if call is None or _to_revise(call):
                    step = self._propose(ask, place, key, call, judgement)
                else:
                    step = self._answer(ask, place, call)
                if not isinstance(step, Call):
                    return step
                call, judgement = step, None

    def _hold_back(self, ask: Ask, place: Place, key: bytes) -> None:
        """Ask a person for a call that needs one, and start nothing, whatever was decided.

        Raises:
            GraphInterrupt: it waits.
        """
        with self._transacting():
            self._hold_on()
            call = self._db.retry(lambda conn: journal.find(conn, self._hold, key))
            while call is None or _to_revise(call):
                judgement = self._judge(ask, _asked_for(ask, call), key)
                if call is None and self._grants.covering(ask.tool, judgement):
                    return
                if not (judgement.is_for_review or is_question(ask.tool)):
                    return
                call = self._request(ask, place, key, call, judgement)
            if call.state is CallState.WAITING:
                self._gate.park(place, call)
            if is_question(ask.tool) and call.state is not CallState.SUCCEEDED:
                self._unanswered(call)

    @contextmanager
    def _transacting(self) -> Iterator[None]:
        """A cancelled run, and a database that is away, say so in the gate's own words."""
        try:
            yield
        except CancelRequested as stop:
            self._gate.halt(stop)
            raise RunStopped(str(stop)) from None
        except DBAPIError as error:
            away = DatabaseLost(f"The database cannot be used: {first_line(error)}.")
            raise away from error

    def _hold_on(self) -> None:
        """Write what rides; after a lapse of the lease, make sure that the run is still held.

        Raises:
            Fenced: somebody else has it.
        """
        term = self._lease.term()
        if term == self._held_in:
            self._outbox.flush_now()
        else:
            self._outbox.commit_now()
            self._held_in = term

    def _propose(
        self, ask: Ask, place: Place, key: bytes, before: Call | None, judgement: Judgement | None
    ) -> Begun | Call:
        if before is not None or judgement is None:
            judgement = self._judge(ask, _asked_for(ask, before), key)
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
        proposal = self._proposal(ask, place, key, revision, judgement)
        self._count(proposal)
        return proposal

    def _request(
        self, ask: Ask, place: Place, key: bytes, before: Call | None, judgement: Judgement
    ) -> Call:
        """T1 of a call that does not run by itself."""
        proposal = self._counted(ask, place, key, before, judgement)
        shown = show(ask.tool, judgement)
        today = Today(ask.tool.spec, judgement, shown.fingerprint)
        changes = self._standing.lapsed_by(before, today) if before else ()
        used = self._allowance.used()

        def write(conn: Connection) -> Call:
            return journal.propose(
                conn,
                self._hold,
                proposal,
                shown,
                used=used,
                changes=changes,
            )

        return self._db.retry(write)

    def _start_allowed(
        self, ask: Ask, place: Place, proposal: Proposal, judgement: Judgement
    ) -> Begun | Call:
        """A call that runs by itself and is not the first of its key."""
        step = self._begin(place, proposal, judgement)
        if step.is_whole:
            return step
        self._keep_state(ask, step.call, step.arguments)
        said = self._started(step)
        if said == "written":
            return step
        if said == "cancelled":
            raise CancelRequested(self._cancelled_by())
        return self._found(proposal.key, proposal.spec.name)

    def _start_granted(
        self, ask: Ask, place: Place, key: bytes, judgement: Judgement
    ) -> Begun | None:
        """T1 and T3 in one of a new call that a grant covers and that uses it up; None without."""
        for grant_id in self._grants.covering(ask.tool, judgement):
            proposal = self._proposal(ask, place, key, 1, judgement)
            self._count(proposal, is_granted=True)
            step = replace(self._begin(place, proposal, judgement), proposal=None)
            self._keep_state(ask, step.call, step.arguments)
            if self._grants.start(proposal, step, grant_id, self._allowance.used()):
                return step
        return None

    def _cancelled_by(self) -> str:
        where = {"tenant": self._hold.tenant, "run_id": self._hold.run_id}
        row = self._db.retry(lambda conn: execute(conn, "lock_run", **where).one())
        return str(row.cancel_requested_by)

    def _found(self, key: bytes, tool: str) -> Call:
        found = self._db.retry(lambda conn: journal.find(conn, self._hold, key))
        if found is None:
            raise Conflict(f"The call of {tool} is gone from the journal.")
        return found

    def _answer(self, ask: Ask, place: Place, call: Call) -> Begun | Succeeded | Call:
        """What the call's state says: start it, give its result, refuse, park, or recover it."""
        if call.state is not CallState.WAITING:
            self._made.waiting.discard(call.key)
        match call.state:
            case CallState.APPROVED:
                return self._start_approved(ask, place, call)
            case CallState.ALLOWED:
                return self._start(ask, place, call, ask.tool.exactly(call.args, ask.injected))
            case CallState.SUCCEEDED:
                return Succeeded(call.result_type or "text", call.result or b"")
            case CallState.WAITING | CallState.IN_DOUBT:
                self._gate.park(place, call)
            case CallState.EXECUTING:
                return self._recover(ask, place, call)
            case CallState.FAILED | CallState.ABANDONED:
                raise ToolException(call.error or f"{call.tool} failed.")
        if is_question(ask.tool):
            return self._unanswered(call)
        if call.state is CallState.REJECTED:
            self._end_if_rejected_often(call)
        raise Refused(refusal(self._db, self._hold.tenant, call))

    def _end_if_rejected_often(self, call: Call) -> None:
        stop = rejected_in_a_row(self._db, self._hold.tenant, call)
        if stop is not None:
            self._gate.halt(stop)
            raise RunStopped(str(stop))

    def _unanswered(self, call: Call) -> Succeeded:
        found = unanswered(self._db, self._hold.tenant, call, self._agent.asking)
        if isinstance(found, Ambiguous):
            self._gate.halt(found)
            raise RunStopped(str(found))
        return found

    def _start_approved(self, ask: Ask, place: Place, call: Call) -> Begun | Call:
        """Start what was approved, if all is still as it was; else the call, to be asked anew."""
        judgement = self._judge(ask, call.args, call.key)
        if not self._standing.lapses(ask, call, judgement):
            with suppress(ApprovalVoid):
                return self._start(ask, place, call, judgement.typed)
        return self._found(call.key, call.tool)

    def _start(self, ask: Ask, place: Place, call: Call, arguments: Mapping[str, Any]) -> Begun:
        """T3. What the body needs is made before it, so that nothing but the effect comes after."""
        if call.tool_version != ask.tool.spec.version:
            raise Refused(
                f"{call.tool} did not run: it changed since this call was judged "
                f"(version {call.tool_version}, now {ask.tool.spec.version})."
            )
        token: UUID = uuid7()
        self._check_stopped()
        if call.starts == 0:
            self._keep_state(ask, call, arguments)

        tried: list[float] = []

        def write(conn: Connection) -> Begun:
            term = self._lease.term()
            tried.append(clock())
            is_new = journal.start(conn, self._hold, call, token)
            at = tried[-1] if is_new else tried[0]
            return self._mine(Begun(call, place, token, arguments, term, at=at))

        return self._db.retry(write)

    def _recover(self, ask: Ask, place: Place, call: Call) -> Begun | Call:
        """A call that an earlier executor started and never finished.

        Raises:
            DatabaseLost: it was this one, whose result is still on its way.
            Postponed: whether it happened has to be asked later.
        """
        if call.start_token in self._tokens:
            raise DatabaseLost(f"The result of an earlier start of {call.tool} is not written yet.")
        if may_start_again(call, ask.tool.spec):
            return self._start(ask, place, call, ask.tool.exactly(call.args, ask.injected))
        broke_off = "Its worker was lost after it started and before it reported."
        self._recovery.take_over(ask, call, broke_off)
        return self._found(call.key, call.tool)


def _asked_for(ask: Ask, before: Call | None) -> bytes:
    """The arguments to judge: as they were edited, or are asked for again."""
    return ask.args if before is None else before.edited_args or before.args


def _to_revise(call: Call) -> bool:
    """Whether a person edited it, its approval did not stand any more, or the run had ended."""
    edited = call.edited_args is not None
    return call.state is CallState.CANCELLED or (
        call.state is CallState.SUPERSEDED and (edited or call.is_lapsed)
    )
