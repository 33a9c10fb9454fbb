"""Starts of calls: what is written before a body may run (T1 and T3)."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from . import call_writes, journal
from .begun import Begun
from .database import gave_up
from .errors import CancelRequested, Conflict, DatabaseLost, Fenced
from .lease import clock
from .outcome import Failed
from .state_before import is_kept, keep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from sqlalchemy import Connection

    from ..tools.gated import Ask
    from .call import Call, Place, Proposal
    from .judgement import Judgement
    from .means import Means

_TAKE_BACK = 0.25
"""Seconds that a start which came to nothing waits for the run's next transaction."""


class Starts:
    """The starts that one execution of a run makes."""

    def __init__(self, means: Means) -> None:
        self._db = means.db
        self._hold = means.claim.hold
        self._lease = means.lease
        self._outbox = means.outbox
        self._held_in = means.term
        self._tokens: set[UUID | None] = set()

    @property
    def is_held(self) -> bool:
        """Whether this executor has held the run all the time, as far as it knows."""
        return self._lease.is_good(self._held_in)

    def hold_on(self) -> None:
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

    def is_own(self, call: Call) -> bool:
        """Whether the call was last started by this execution."""
        return call.start_token in self._tokens

    # Of calls that run by themselves -----------------------------------------------------------

    def begin(self, place: Place, proposal: Proposal, judgement: Judgement) -> Begun:
        """A new call that may run; nothing is written of it yet.

        Raises:
            Fenced: the lease ran out since the run was last known to be held.
        """
        term = self._lease.term()
        if term != self._held_in:
            raise Fenced(
                "This worker's lease ran out while a call was judged, so it did not start."
            )
        token: UUID = uuid7()
        call = call_writes.begin(self._hold, proposal, token)
        return self._own(Begun(call, place, token, judgement.typed, term, proposal))

    def _own(self, step: Begun) -> Begun:
        self._tokens.add(step.token)
        return step

    def commit(self, ask: Ask, step: Begun) -> str:
        """Write down that it starts; what the database said of it. Blocks."""
        self.keep_state(ask, step.call, step.arguments)
        with self._taking_back(step):
            said: str = self._outbox.commit_now(**self._start_of(step))[0]
        return self._checked(step, said)

    async def acommit(self, ask: Ask, step: Begun) -> str:
        """As `commit`, on the event loop: what blocks does so in a thread."""
        if is_kept(ask.tool, step.call):
            await asyncio.to_thread(self.keep_state, ask, step.call, step.arguments)
        with self._taking_back(step):
            said: str = (await self._outbox.commit(**self._start_of(step)))[0]
        return self._checked(step, said)

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
            self._take_back(step.call, step.token)
            raise
        except psycopg.Error as error:
            raise gave_up(error) from error

    def _checked(self, step: Begun, said: str) -> str:
        """What was said of a start: a repeat may be told of a cancellation that came after it."""
        if said == "cancelled":
            self._take_back(step.call, step.token)
        return said

    def _take_back(self, call: Call, token: UUID) -> None:
        failed = Failed("It was not started in time, so nothing was sent.")
        write = call_writes.finished(self._hold, call, token, failed)
        self._outbox.ride(linger=_TAKE_BACK, free=[write])

    # Of calls that have a record ---------------------------------------------------------------

    def start(self, ask: Ask, place: Place, call: Call, arguments: Mapping[str, Any]) -> Begun:
        """T3. What the body needs is made before it, so that nothing but the effect comes after.

        Raises:
            Fenced: this executor no longer holds the run.
            ApprovalVoid: the approval does not stand any more.
        """
        token: UUID = uuid7()
        if call.starts == 0:
            self.keep_state(ask, call, arguments)

        tried: list[float] = []

        def write(conn: Connection) -> Begun:
            term = self._lease.term()
            tried.append(clock())
            is_new = journal.start(conn, self._hold, call, token)
            at = tried[-1] if is_new else tried[0]
            return self._own(Begun(call, place, token, arguments, term, at=at))

        try:
            return self._db.retry(write)
        except (Fenced, CancelRequested, DatabaseLost) as error:
            if len(tried) > 1 or isinstance(error, DatabaseLost):
                self._take_back(call, token)
            raise

    def keep_state(self, ask: Ask, call: Call, arguments: Mapping[str, Any]) -> None:
        """How the call finds its target, for the comparison after its undo."""
        if not is_kept(ask.tool, call):
            return
        try:
            keep(self._db, self._hold, ask.tool, call, arguments)
        except DBAPIError as error:
            raise gave_up(error) from error
