"""The gate of one execution of a run: every call of its tools comes through here.

Asking is idempotent: a call that was asked for before finds its own record, so resuming a run is
asking again, and no value that a resume carries means anything here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException
from langgraph.errors import GraphInterrupt
from langgraph.types import Interrupt
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from ..tools.gated import CallContext, NotExact, Refused, serving, serving_call
from ..tools.vault import open_vault
from . import journal
from .call import Call, Place, Proposal
from .database import execute, first_line
from .doubt import recover
from .errors import CancelRequested, Conflict, DatabaseLost, Fenced
from .judgement import Judgement, forbid, judge
from .leaving import REPEATABLE, broken, left, packed, unpacked
from .lifecycle import CallState
from .limits import LimitReached
from .outcome import Failed, InDoubt, Outcome, Succeeded, success
from .place import Places
from .stops import RunStopped, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from sqlalchemy import Connection

    from ..tools.gated import Ask
    from .agent import Agent
    from .database import Database
    from .lease import Lease
    from .runs import Claim


@dataclass(frozen=True, slots=True)
class Started:
    """A call that is `executing` in the journal and whose body has to run now."""

    call: Call
    place: Place
    token: UUID
    arguments: dict[str, Any]
    term: int


"""Recoveries by which a call that broke off is simply started again."""
_LOOK_UP = 0.5
"""Seconds between two looks at whether a run that still works was stopped."""


class RunGate:
    """Implements `tools.gated.Gate` for one run in the hands of one executor.

    Attributes:
        stop: why the run goes no further, once it does; no call starts after that.
        parked: task id → calls of that task that wait for a person.
    """

    def __init__(self, db: Database, agent: Agent, claim: Claim, lease: Lease) -> None:
        self._db = db
        self._agent = agent
        self._claim = claim
        self._hold = claim.hold
        self._lease = lease
        self._began = time.monotonic()
        self._places = Places(claim.hold.run_id, agent.retried)
        self._lock = threading.Lock()
        self._busy = 0
        self._idle = threading.Condition(self._lock)
        self._effects: set[asyncio.Task[Any]] = set()
        self._started: dict[UUID, Started] = {}
        self._on_stop: Callable[[], None] = lambda: None
        self.stop: Stop | None = None
        self.parked: dict[str, set[UUID]] = {}

    # What the executor uses ------------------------------------------------------------------

    def when_stopped(self, notify: Callable[[], None]) -> None:
        """Have `notify` called, from any thread, as soon as the run goes no further."""
        self._on_stop = notify

    def halt(self, stop: Stop) -> None:
        """Let nothing start from now on; the first reason counts."""
        with self._lock:
            if self.stop is None:
                self.stop = stop
        self._on_stop()

    def active_ms(self) -> int:
        """Milliseconds since this execution began."""
        return int((time.monotonic() - self._began) * 1000)

    def settle(self, patience: float) -> None:
        """Wait until no call is asked for or carried out; blocks, so call it from a thread.

        Once the run is stopped, what still runs after `patience` seconds is written down as in
        doubt, a read as failed; if its result comes later after all, that settles the doubt.
        """
        left = patience
        with self._idle:
            while not self._idle.wait_for(lambda: self._busy == 0, _LOOK_UP):
                left -= _LOOK_UP if self.stop else 0
                if left <= 0:
                    break
            else:
                return
            unfinished = list(self._started.values())
        for step in unfinished:
            error = TimeoutError(f"it did not return within {patience:.0f} s after the run stopped")
            self._record_quietly(step, broken(step.call, error))

    # What tools use --------------------------------------------------------------------------

    def ask(self, ask: Ask) -> Any:
        """The call's outcome, from its record or by running it now."""
        with self._occupied():
            step = self._admit(ask, self._places.of(ask))
            value = self._perform(ask, step) if isinstance(step, Started) else step.value
            return unpacked(ask, value)

    async def aask(self, ask: Ask) -> Any:
        """The same for async tools. A cancelled node does not cut an effect in half."""
        work = asyncio.create_task(self._aask(ask, self._places.of(ask)))
        self._effects.add(work)
        work.add_done_callback(self._forget)
        return unpacked(ask, await asyncio.shield(work))

    def _forget(self, work: asyncio.Task[Any]) -> None:
        self._effects.discard(work)
        if not work.cancelled():
            work.exception()  # retrieved: whoever asked may be gone

    async def _aask(self, ask: Ask, place: tuple[Place, bytes]) -> Any:
        with self._occupied():
            step = await asyncio.to_thread(self._admit, ask, place)
            if not isinstance(step, Started):
                return step.value
            arun = open_vault(ask.tool.vault_key).arun
            if arun is None:
                return await asyncio.to_thread(self._perform, ask, step)
            with serving(self._context(step)):
                self._check_send_before(step)
                try:
                    value = await arun(step.arguments, dict(ask.framework))
                except BaseException as error:  # noqa: BLE001 - every way out of an effect is recorded
                    outcome = left(step.call, error)
                else:
                    outcome = success(packed(ask, value))
            return await asyncio.to_thread(self._record, step, outcome)

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    # The steps of a call -----------------------------------------------------------------------

    def _admit(self, ask: Ask, placed: tuple[Place, bytes]) -> Started | Succeeded:
        """T1 and, for a call that may run, T3. Raises where it may not, or parks the run."""
        place, key = placed
        self._check_stopped()
        ask = self._declared(ask)
        self._check_inside(ask)
        try:
            call = self._db.retry(lambda conn: journal.find(conn, self._hold, key))
            while True:
                step: Started | Succeeded | Call
                if call is None or _to_revise(call):
                    step = self._propose(ask, place, key, call)
                else:
                    step = self._answer(ask, place, call)
                if not isinstance(step, Call):
                    return step
                call = step
        except (Fenced, CancelRequested) as stop:
            self.halt(stop)
            raise RunStopped(str(stop)) from None
        except DBAPIError as error:
            away = DatabaseLost(f"The database cannot be used: {first_line(error)}.")
            self.halt(away)
            raise RunStopped(str(away)) from error

    def _declared(self, ask: Ask) -> Ask:
        """The call with the tool as the agent declares it, whatever a copy of it says of itself."""
        tool = self._agent.tools.get(ask.tool.name)
        if tool is None or tool.vault_key is not ask.tool.vault_key:
            raise Refused(
                f"{ask.tool.name} did not run: agent {self._agent.name} has no such tool."
            )
        return replace(ask, tool=tool)

    def _check_inside(self, ask: Ask) -> None:
        """Refuse a call from within a body that could not be started again after it waited."""
        outer = serving_call()
        if outer is None:
            return
        with self._lock:
            started = [s.call for s in self._started.values() if s.call.id == outer.call_id]
        for call in started:
            if call.recovery not in REPEATABLE:
                raise Refused(
                    f"{ask.tool.name} did not run: it was called inside {call.tool}, which cannot "
                    "be taken up again once it has started. Call it from the graph."
                )

    def _check_stopped(self) -> None:
        limit = self._claim.limits.seconds
        if self.stop is None and self._claim.usage.active_ms + self.active_ms() >= limit * 1000:
            self.halt(LimitReached("seconds", limit, "no further call was started."))
        if self.stop is not None:
            raise RunStopped(str(self.stop))

    def _propose(self, ask: Ask, place: Place, key: bytes, before: Call | None) -> Started | Call:
        """T1; a call that is allowed starts in the same transaction."""
        args = ask.args if before is None else before.edited_args or before.args
        args, arguments, judgement = self._judge(ask, args)
        proposal = Proposal(
            key=key,
            revision=1 if before is None else before.revision + 1,
            place=place,
            spec=ask.tool.spec,
            args=args,
            classification=judgement.classification,
            verdict=judgement.verdict,
            headline=judgement.headline,
            preview=judgement.preview,
        )
        token: UUID = uuid7()

        def write(conn: Connection) -> Call | Started | LimitReached:
            term = self._lease.term()
            call = journal.propose(conn, self._hold, proposal, active_ms=self.active_ms())
            if isinstance(call, LimitReached):
                return call
            if call.state is CallState.ALLOWED:
                journal.start(conn, self._hold, call, token)
            elif call.start_token != token:
                return call
            return Started(call, place, token, arguments, term)

        written = self._db.retry(write)
        if isinstance(written, LimitReached):
            self.halt(written)
            raise RunStopped(str(written))
        if isinstance(written, Started):
            return self._begin(written)
        return written

    def _judge(self, ask: Ask, args: bytes) -> tuple[bytes, dict[str, Any], Judgement]:
        try:
            args = ask.tool.settled(args, ask.injected)
            typed = ask.tool.typed(args, ask.injected)
        except NotExact as error:
            return args, {}, forbid(self._agent, ask.tool, args, str(error))
        except ValidationError as error:
            first = error.errors()[0]
            where = "/".join(map(str, first["loc"])) or "arguments"
            reason = f"{where}: {first['msg']}, so the call cannot run."
            return args, {}, forbid(self._agent, ask.tool, args, reason)
        return args, typed, judge(self._agent, ask.tool, args, typed, self._hold.tenant)

    def _answer(self, ask: Ask, place: Place, call: Call) -> Started | Succeeded | Call:
        """What the call's state says: start it, give its result, refuse, park, or recover it."""
        match call.state:
            case CallState.ALLOWED | CallState.APPROVED:
                return self._start(ask, place, call)
            case CallState.SUCCEEDED:
                return Succeeded(call.result_type or "text", call.result or b"")
            case CallState.WAITING | CallState.IN_DOUBT:
                self._park(place, call)
            case CallState.EXECUTING:
                return self._recover(ask, place, call)
            case CallState.FAILED | CallState.ABANDONED:
                raise ToolException(call.error or f"{call.tool} failed.")
        raise Refused(self._refusal(call))

    def _refusal(self, call: Call) -> str:
        """Why a call did not run, for the agent."""
        match call.state:
            case CallState.FORBIDDEN:
                return f"{call.tool} did not run. It is forbidden: {call.reason}"
            case CallState.REJECTED:
                by, reason = self._closing(call)
                return f"{call.tool} did not run. {by} rejected it: {reason}"
            case CallState.EXPIRED:
                return (
                    f"{call.tool} did not run. Nobody decided in time, so it expired; "
                    "that is not a rejection."
                )
        return f"{call.tool} did not run. It was {call.state}."

    def _closing(self, call: Call) -> tuple[str, str]:
        with self._db.begin() as conn:
            row = execute(
                conn,
                "approval_closing",
                tenant=self._hold.tenant,
                approval_id=call.approval_id,
            ).one()
        return row.closed_by or "A reviewer", row.close_reason or "no reason given"

    def _park(self, place: Place, call: Call) -> None:
        outer = (part.rpartition(":")[2] for part in place.ns.split("|"))
        with self._lock:
            for task in {place.task_id, *outer}:
                self.parked.setdefault(task, set()).add(call.id)
        value = {"interlock": str(call.state), "call": str(call.id), "tool": call.tool}
        raise GraphInterrupt([Interrupt(value=value, id=call.id.hex)])

    def _start(self, ask: Ask, place: Place, call: Call) -> Started:
        """T3. What the body needs is made before it, so that nothing but the effect comes after."""
        if call.tool_version != ask.tool.spec.version:
            raise Refused(
                f"{call.tool} did not run: it changed since this call was judged "
                f"(version {call.tool_version}, now {ask.tool.spec.version})."
            )
        arguments = ask.tool.typed(call.args, ask.injected)
        token: UUID = uuid7()
        self._check_stopped()

        def write(conn: Connection) -> Started:
            term = self._lease.term()
            journal.start(conn, self._hold, call, token)
            return Started(call, place, token, arguments, term)

        return self._begin(self._db.retry(write))

    def _begin(self, step: Started) -> Started:
        with self._lock:
            self._started[step.token] = step
        return step

    def _recover(self, ask: Ask, place: Place, call: Call) -> Started | Call:
        """A call that an earlier executor started and never finished."""
        if call.recovery in REPEATABLE:
            return self._start(ask, place, call)
        broke_off = "Its worker was lost after it started and before it reported."
        self._db.retry(lambda conn: recover(conn, self._hold, call, broke_off))
        found = self._db.retry(lambda conn: journal.find(conn, self._hold, call.key))
        if found is None:
            raise Conflict(f"The call of {call.tool} is gone from the journal.")
        return found

    def _perform(self, ask: Ask, step: Started) -> Any:
        run = open_vault(ask.tool.vault_key).run
        if run is None:
            raise Conflict(f"{ask.tool.name} has no body to run.")
        with serving(self._context(step)):
            self._check_send_before(step)
            try:
                value = run(step.arguments, dict(ask.framework))
            except BaseException as error:  # noqa: BLE001 - every way out of an effect is recorded
                outcome = left(step.call, error)
            else:
                outcome = success(packed(ask, value))
        return self._record(step, outcome)

    def _context(self, step: Started) -> CallContext:
        return CallContext(self._hold.run_id, step.call.id, str(step.call.id))

    def _check_send_before(self, step: Started) -> None:
        """The last look before the effect: a process that stood still must not act late."""
        if self._lease.is_good(step.term):
            return
        if step.call.recovery not in REPEATABLE:
            sentence = "The worker had lost its lease before the effect, so nothing was sent."
            self._record_quietly(step, Failed(sentence))
        fenced = Fenced(f"Run {self._hold.run_id} is no longer held by this worker.")
        self.halt(fenced)
        raise RunStopped(str(fenced))

    def _record_quietly(self, step: Started, outcome: Outcome) -> None:
        self._db.retry(
            lambda conn: journal.finish(conn, self._hold, step.call, step.token, outcome),
            patience=float("inf"),
        )

    def _record(self, step: Started, outcome: Outcome) -> Any:
        """T4. While the database is away the result is kept and written when it is back."""
        self._record_quietly(step, outcome)
        with self._lock:
            self._started.pop(step.token, None)
        if isinstance(outcome, Succeeded):
            return outcome.value
        if isinstance(outcome, InDoubt):
            self._park(step.place, step.call)
        raise ToolException(outcome.error)


def _to_revise(call: Call) -> bool:
    return call.state is CallState.SUPERSEDED and call.edited_args is not None
