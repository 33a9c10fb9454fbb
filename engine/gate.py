"""The gate of one execution of a run: every call of its tools comes through here.

Asking is idempotent: a call that was asked for before finds its own record, so resuming a run is
asking again, and no value that a resume carries means anything here.

A new call that the policy allows is judged on the spot and needs no look at the database. A read is
written down once, when it is over, and rides with the run's next transaction. A reversible call is
on disk before its body runs. Everything else is an affair of transactions, in a thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from langchain_core.tools import ToolException
from langgraph.errors import GraphInterrupt
from langgraph.types import Interrupt

from ..tools.gated import CallContext, serving
from ..tools.vault import open_vault
from . import call_writes, journal
from .admission import Admission
from .begun import Begun
from .errors import Conflict, DatabaseLost, Fenced, NotRecorded, Postponed
from .lease import clock
from .leaving import REPEATABLE, broken, left, packed, unpacked
from .outcome import Failed, InDoubt, Outcome, Succeeded, success
from .place import Places
from .recovery import Recovery
from .stated import answered
from .stops import ENDS, RunStopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from uuid import UUID

    from ..tools.gated import Ask
    from .begun import Considered
    from .call import Call, Place
    from .means import Means
    from .stops import Stop

    Arun = Callable[..., Awaitable[Any]]

_LOOK_UP = 0.5
"""Seconds between two looks at whether a run that still works was stopped."""
_LOOK_AGAIN = 0.5
"""Seconds, at the least, between a body's error and the next look at what became of its call."""
_READ_LINGER = 0.25
"""Seconds that a read, once it is over, waits for the run's next transaction."""
_RESULT_LINGER = 0.005
"""The same for the result of a reversible call: a crash in them leaves it in doubt."""


class RunGate:
    """Implements `tools.gated.Gate` for one run in the hands of one executor.

    Attributes:
        stop: why the run goes no further, once it does; no call starts after that.
        parked: task id → calls of that task that wait for a person.
        nodes: task id → name of its node, for those.
    """

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._hold = means.claim.hold
        self._lease = means.lease
        self._outbox = means.outbox
        self._replies = means.replies
        self._progress = means.progress
        self._taint = means.taint
        self._threads = means.threads
        self._spool = means.spool
        self._began = time.monotonic()
        self._places = Places(self._hold.run_id, means.agent.retried)
        self._lock = threading.Lock()
        self._busy = 0
        self._idle = threading.Condition(self._lock)
        self._effects: set[asyncio.Task[Any]] = set()
        self._begun: dict[UUID, Begun] = {}
        self._on_stop: Callable[[], None] = lambda: None
        self._recovery = Recovery(self._db, self._hold)
        self._admission = Admission(self, means, self._recovery)
        self.stop: Stop | None = None
        self.parked: dict[str, set[UUID]] = {}
        self.nodes: dict[str, str] = {}

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
            unfinished = list(self._begun.values())
        for step in unfinished:
            error = TimeoutError(f"it did not return within {patience:.0f} s after the run stopped")
            self._settle_open(step, broken(step.call, error))

    def _settle_open(self, step: Begun, outcome: Outcome) -> None:
        if step.proposal is not None and not isinstance(outcome, InDoubt):
            self._ride(step, outcome)
        else:
            self._record_late(step, outcome)

    # What tools use --------------------------------------------------------------------------

    def ask(self, ask: Ask) -> Any:
        """The call's outcome, from its record or by running it now."""
        self._replies.ride()
        with self._occupied(), self._stopping():
            step = self._admission.admit(ask, self._places.of(ask))
            value = self._perform(ask, step) if isinstance(step, Begun) else _found(ask, step)
            return unpacked(ask, value)

    async def aask(self, ask: Ask) -> Any:
        """The same for async tools. A cancelled node does not cut an effect in half.

        A read that needs no look at the database has none, and is simply broken off.
        """
        if ask.batch is not None and ask.batch.is_held:
            return await asyncio.to_thread(self.ask, ask)
        arun = open_vault(ask.tool.vault_key).arun
        self._replies.ride()
        with self._occupied(), self._stopping():
            call = self._admission.consider(ask, self._places.of(ask))
            if arun is not None and call.step is not None and call.step.is_whole:
                return unpacked(ask, await self._aperform(call.ask, call.step, arun))
        work = asyncio.create_task(self._aask(call, arun))
        self._effects.add(work)
        work.add_done_callback(self._forget)
        return unpacked(ask, await asyncio.shield(work))

    def _forget(self, work: asyncio.Task[Any]) -> None:
        self._effects.discard(work)
        if not work.cancelled():
            work.exception()  # retrieved: whoever asked may be gone

    async def _aask(self, call: Considered, arun: Arun | None) -> Any:
        with self._occupied(), self._stopping():
            step = await self._admission.aadmit(call)
            if not isinstance(step, Begun):
                return _found(call.ask, step)
            if arun is None:
                return await asyncio.to_thread(self._perform, call.ask, step)
            return await self._aperform(call.ask, step, arun)

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            self._vacate()

    def _vacate(self) -> None:
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """What says that the run goes no further, halts it."""
        try:
            yield
        except (Fenced, DatabaseLost, NotRecorded, Postponed) as stop:
            self.halt(stop)
            raise RunStopped(str(stop)) from None

    # A body, from its start to its record -------------------------------------------------------

    async def _aperform(self, ask: Ask, step: Begun, arun: Arun) -> Any:
        with self._serving(step):
            try:
                value = await arun(dict(step.arguments), dict(ask.framework))
            except BaseException as error:
                if step.is_whole and isinstance(error, asyncio.CancelledError):
                    raise  # nothing is written of it, and nothing happened
                outcome = left(step.call, error)
            else:
                outcome = success(packed(ask, value))
        return await self._afinish(ask, step, outcome)

    def _perform(self, ask: Ask, step: Begun) -> Any:
        run = open_vault(ask.tool.vault_key).run
        if run is None:
            raise Conflict(f"{ask.tool.name} has no body to run.")
        with self._serving(step):
            try:
                value = run(dict(step.arguments), dict(ask.framework))
            except BaseException as error:  # noqa: BLE001 - every way out of an effect is recorded
                outcome = left(step.call, error)
            else:
                outcome = success(packed(ask, value))
        return self._finish(ask, step, outcome)

    @contextmanager
    def _serving(self, step: Begun) -> Iterator[None]:
        """The block runs the step's body, right after the last look at the lease."""
        call = step.call
        with self._lock:
            self._begun[step.token] = step
        try:
            with serving(CallContext(self._hold.run_id, call.id, str(call.id))):
                self._check_send_before(step)
                yield
        except BaseException:
            # no outcome: what is executing stays so, and the next execution recovers it
            self._close(step)
            raise

    def _close(self, step: Begun) -> None:
        with self._lock:
            self._begun.pop(step.token, None)

    def calls_around(self, call_id: UUID) -> list[Call]:
        """The begun call with this id, if it is one of this execution."""
        with self._lock:
            return [step.call for step in self._begun.values() if step.call.id == call_id]

    def _check_send_before(self, step: Begun) -> None:
        """The last look before the effect: a process that stood still must not act late."""
        is_held = self._lease.is_good(step.term)
        if not is_held or step.send_left <= 0:
            lost = "the time to send it" if is_held else "its lease"
            if step.call.recovery not in REPEATABLE:
                self._unsent(step, f"The worker had lost {lost} before the effect")
            raise Fenced(f"A call of {step.call.tool} was not sent: the worker had lost {lost}.")
        if isinstance(self.stop, ENDS) and not step.is_whole:  # a counted read may still read
            self._unsent(step, "The run was stopped before the effect")
            raise RunStopped(str(self.stop))

    def _unsent(self, step: Begun, why: str) -> None:
        """Write down that a start came to nothing, if the start is written; never waits."""
        outcome = Failed(f"{why}, so nothing was sent.")
        if self._outbox.is_closed:
            self._record_aside(step, outcome)
        else:
            self._outbox.ride(linger=0.0, free=[self._t4(step, outcome)])

    # T4 -----------------------------------------------------------------------------------------

    def _asked_about(self, ask: Ask, step: Begun, doubt: InDoubt) -> Outcome:
        """What the tool's own look at the world makes of a body that raised."""
        left = max(step.send_left, _LOOK_AGAIN)
        return self._recovery.after_error(ask, step.call, step.token, doubt.error, left)

    def _finish(self, ask: Ask, step: Begun, outcome: Outcome) -> Any:
        """The outcome, written down or riding. A result of an irreversible call does not ride."""
        self._close(step)
        if isinstance(outcome, InDoubt):
            outcome = self._asked_about(ask, step, outcome)
        elif step.call.effect != "irreversible" and not self._outbox.is_closed:
            self._ride(step, outcome)
        else:
            self._write_now(step, outcome)
        return self._told(ask, step, outcome)

    def _learn(self, ask: Ask, step: Begun, outcome: Outcome) -> None:
        """What came from outside, be it by an error, is known again where the agent uses it."""
        if ask.tool.spec.untrusted:
            said = outcome.value if isinstance(outcome, Succeeded) else outcome.error
            self._taint.learn(step.call.tool, step.call.id, said)

    def _write_now(self, step: Begun, outcome: Succeeded | Failed) -> None:
        """While the database is away the result is kept, and written when it is back."""
        with self._keeping(step, outcome):
            while not self._outbox.is_closed:
                with suppress(DatabaseLost):
                    self._outbox.commit_now(free=[self._t4(step, outcome)])
                    return
            if not step.is_whole:  # a read that outlived its run is nobody's
                self._record_late(step, outcome)

    def _keeping(self, step: Begun, outcome: Succeeded | Failed) -> AbstractContextManager[None]:
        """The block writes the outcome; until it has, it may be on this machine's disk."""
        if self._spool is None or step.is_whole:
            return nullcontext()
        return self._spool.holding(self._hold, step.call, step.token, outcome)

    async def _afinish(self, ask: Ask, step: Begun, outcome: Outcome) -> Any:
        self._close(step)
        if isinstance(outcome, InDoubt):
            outcome = await asyncio.to_thread(self._asked_about, ask, step, outcome)
        elif step.call.effect != "irreversible":
            self._ride(step, outcome)
        else:
            written = False
            with self._keeping(step, outcome):
                while not written:
                    with suppress(DatabaseLost):
                        await self._outbox.commit(free=[self._t4(step, outcome)])
                        written = True
        return self._told(ask, step, outcome)

    def _ride(self, step: Begun, outcome: Succeeded | Failed) -> None:
        if step.proposal is None or not step.is_whole:
            self._outbox.ride(linger=_RESULT_LINGER, free=[self._t4(step, outcome)])
            return
        took = timedelta(seconds=clock() - step.at)
        write = call_writes.performed(self._hold, step.proposal, step.call, outcome, took)
        self._outbox.ride(linger=_READ_LINGER, fenced=[write])

    def _t4(self, step: Begun, outcome: Succeeded | Failed) -> Any:
        return call_writes.finished(
            self._hold, step.call, step.token, outcome, lambda: self._record_aside(step, outcome)
        )

    def _record_aside(self, step: Begun, outcome: Outcome) -> None:
        """Another record stands: what that means is an affair of transactions."""
        with self._lock:
            self._busy += 1

        def record() -> None:
            try:
                self._record_late(step, outcome)
            finally:
                self._vacate()

        self._threads.submit(record)

    def _record_late(self, step: Begun, outcome: Outcome) -> None:
        self._db.retry(
            lambda conn: journal.finish(conn, self._hold, step.call, step.token, outcome),
            patience=float("inf"),
        )

    def _told(self, ask: Ask, step: Begun, outcome: Outcome) -> Any:
        """The outcome as the graph gets it."""
        self._learn(ask, step, outcome)
        self._progress.called(step.call.tool, step.call.args, outcome)
        if isinstance(outcome, Succeeded):
            return outcome.value
        if isinstance(outcome, InDoubt):
            self.park(step.place, step.call)
        raise ToolException(outcome.error)

    def park(self, place: Place, call: Call) -> None:
        """Interrupt the task: its call waits for a person."""
        with self._lock:
            for part in (*place.ns.split("|"), place.task_id):
                node, _, task = part.rpartition(":")
                self.nodes.setdefault(task, node)
                self.parked.setdefault(task, set()).add(call.id)
        value = {"interlock": str(call.state), "call": str(call.id), "tool": call.tool}
        raise GraphInterrupt([Interrupt(value=value, id=call.id.hex)])


def _found(ask: Ask, outcome: Succeeded) -> Any:
    """What a call came to that was made before."""
    answered(ask, outcome.value)
    return outcome.value
