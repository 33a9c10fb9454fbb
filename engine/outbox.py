"""What one execution has to write and has not written yet: it goes with the run's next transaction.

What nobody has to wait for rides: a read that is over, a result, the writes of a task whose step is
not done. It is written with whatever the run commits next, or by itself after its linger.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import structlog

from .database import first_line
from .errors import DatabaseLost, Fenced
from .group_commit import MOST_VALUES, Fence, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from .calls_made import CallsMade
    from .group_commit import Answer, GroupCommit, Write
    from .hold import Hold

_MOST_BEHIND = 16
"""Steps that may be taken while those before them are not written."""
_A_MOMENT = 0.002

log = structlog.get_logger()
_stdlib = logging.getLogger(__name__)


class Outbox:
    """One execution's way to the database on the hot path; made on the event loop.

    Everything but `commit`, `flush` and `close` may be called from any thread. `steps` were taken
    before; how many they are, and how many calls were `made`, is in the run's row with the next
    write. `is_held` says whether this executor has held the run all the time, as far as it knows
    without asking.

    Attributes:
        is_closed: whether its execution is over; what comes later has no transaction to ride with.
    """

    def __init__(
        self,
        commit: GroupCommit,
        hold: Hold,
        steps: int,
        made: CallsMade,
        is_held: Callable[[], bool],
    ) -> None:
        self._group = commit
        self._hold = hold
        self._is_held = is_held
        self._steps = steps
        self._made = made
        self._lock = threading.Lock()
        self._under_way: dict[asyncio.Future[Answer], Unit] = {}
        self._aside: list[Unit] = []
        self._fenced: list[Write] = []
        self._free: list[Write] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._committing: set[asyncio.Task[None]] = set()
        self._loose: Callable[[], Sequence[Write]] = tuple
        self._behind = 0
        self._failure: Exception | None = None
        self.is_closed = False

    def also(self, loose: Callable[[], Sequence[Write]]) -> None:
        """Have `loose` asked, at every flush, for what else rides by then."""
        self._loose = loose

    def count_step(self, limit: int) -> bool:
        """One more step, if the limit has room for it; in the run's row with the next write."""
        with self._lock:
            if self._steps >= limit:
                return False
            self._steps += 1
            return True

    def epoch_of(self, run_id: UUID) -> int | None:
        """The epoch that this executor holds the run by, if it is the one."""
        return self._hold.epoch if run_id == self._hold.run_id else None

    @property
    def steps(self) -> int:
        """Steps so far."""
        with self._lock:
            return self._steps

    def ride(
        self, *, linger: float, fenced: Sequence[Write] = (), free: Sequence[Write] = ()
    ) -> None:
        """Write these with the run's next transaction, or after `linger` seconds."""
        with self._lock:
            self._fenced += fenced
            self._free += free
        self.flush_in(linger)

    async def follow(self, write: Write) -> None:
        """Write this as soon as what is under way has landed, and what rides by then with it.

        It waits for neither, unless the database has fallen behind or another executor may hold
        the run by now: what must not happen before it is written, is committed after it.

        Raises:
            Fenced, DatabaseLost, psycopg.Error: what became of an earlier one.
        """
        self._check()
        with self._lock:
            self._fenced.append(write)
            self._behind += 1
            is_late = self._behind > _MOST_BEHIND
        if is_late or not self._is_held():
            await self.flush()
        elif not (self._under_way or self._committing):
            self._start_commit()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def flush_in(self, linger: float) -> None:
        """Write what rides after so many seconds at the latest."""
        if self._is_here():
            self._schedule(linger)
        else:
            self._loop.call_soon_threadsafe(self._schedule, linger)

    def _is_here(self) -> bool:
        """Whether this is the thread of the event loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    async def commit(
        self,
        fenced: Sequence[Write] = (),
        free: Sequence[Write] = (),
        is_wanted: Callable[[], bool] | None = None,
    ) -> list[str]:
        """Commit these and what rides as one transaction; what each of `fenced` and `free` said.

        With `is_wanted`, only while that holds when they are sent.

        Raises:
            Fenced: this executor no longer holds the run. What is free was written all the same.
            DatabaseLost: the database was away for too long. What rode still rides.
        """
        with self._lock:
            unit, riding, again = self._unit(fenced, free, self._aside)
            sent = self._group.submit(_whole(unit, again, is_wanted))
            self._under_way[sent] = riding if is_wanted else unit
        sent.add_done_callback(partial(self._landed, unit, riding))
        return self._own(unit, riding, await asyncio.shield(sent))

    def _landed(self, unit: Unit, riding: Unit, sent: asyncio.Future[Answer]) -> None:
        """A unit was answered, whether or not somebody still waits for it."""
        if sent.exception() is None:
            self._tell_all(unit, sent.result())
        else:
            self._back(riding)
        with self._lock:
            del self._under_way[sent]
            is_next = bool(self._behind) and not self._under_way and self._failure is None
        if is_next:
            self._start_commit()

    def commit_now(
        self,
        fenced: Sequence[Write] = (),
        free: Sequence[Write] = (),
        is_wanted: Callable[[], bool] | None = None,
    ) -> list[str]:
        """As `commit`, from any thread; blocks.

        It does not wait for what the run has under way, but writes that once more, starts aside.
        """
        with self._lock:
            others = [*self._under_way.values(), *self._aside]
            unit, riding, again = self._unit(fenced, free, others)
            known = riding if is_wanted else unit
            self._aside.append(known)
        try:
            answer = self._group.write_now(_whole(unit, again, is_wanted))
        except BaseException:
            self._back(riding)
            raise
        finally:
            with self._lock:
                self._aside.remove(known)
        self._tell_all(unit, answer)
        return self._own(unit, riding, answer)

    async def flush(self) -> None:
        """Write what rides now, and wait for what is under way.

        Raises:
            Fenced, DatabaseLost, psycopg.Error: what became of it, or of what went before.
        """
        await self._drain()
        self._check()

    async def _drain(self) -> None:
        while self._under_way or self._rides():
            if self._under_way:
                await asyncio.wait(self._under_way)
            else:
                await self.commit()

    def flush_now(self) -> None:
        """As `flush`, from any thread; blocks, and does not wait for what is under way."""
        if self._under_way or self._aside:
            self.commit_now()
        while self._rides():
            self.commit_now()

    def let_land(self) -> None:
        """Wait for what is under way, from a thread; the event loop cannot wait for itself."""
        while self._under_way and not self._is_here():
            time.sleep(_A_MOMENT)

    async def close(self) -> None:
        """Write what rides, however long the database is away: results are the truth."""
        while True:
            try:
                await self._drain()
            except DatabaseLost as error:
                log.warning("outbox.waits", error=str(error))
            except psycopg.Error:  # one of them cannot be written
                with suppress(DatabaseLost):
                    await self._one_by_one()
            except Fenced:
                continue
            else:
                self.is_closed = True
                return

    async def _one_by_one(self) -> None:
        """Write what rides each by itself, without what cannot be written."""
        with self._lock:
            riding, _, _ = self._unit((), (), ())
        alone = [Unit(riding.fence, fenced=(write,)) for write in riding.fenced]
        alone += [Unit(riding.fence, free=(write,)) for write in riding.free]
        while alone:
            unit = alone[0]
            try:
                answer = await self._group.write(unit)
            except psycopg.Error:
                (write,) = (*unit.fenced, *unit.free)
                log.exception("outbox.not_written", function=write.function, **(write.ids or {}))
            except BaseException:
                for left in alone:
                    self._back(left)
                raise
            else:
                self._tell_all(unit, answer)
            del alone[0]

    def _rides(self) -> bool:
        self._gather()
        with self._lock:
            return bool(self._fenced or self._free)

    def _gather(self) -> None:
        loose = self._loose()
        if loose:
            with self._lock:
                self._fenced += loose

    def _unit(
        self, fenced: Sequence[Write], free: Sequence[Write], others: Sequence[Unit]
    ) -> tuple[Unit, Unit, Unit]:
        """The unit to commit, the part of it that rode, and what rides elsewhere; with the lock."""
        hold = self._hold
        fence = Fence(hold.tenant, hold.run_id, hold.epoch, self._steps, len(self._made))
        again = Unit(
            fence,
            tuple(write for unit in others for write in unit.fenced),
            tuple(write for unit in others for write in unit.free),
        )
        room = MOST_VALUES - Unit(fence, tuple(fenced), tuple(free)).size - again.size
        # results first; what does not fit into one statement rides on
        results, self._free = _fitting(self._free, room)
        steps, self._fenced = _fitting(self._fenced, room - Unit(fence, free=tuple(results)).size)
        self._behind = 0
        riding = Unit(fence, tuple(steps), tuple(results))
        return Unit(fence, (*fenced, *steps), (*free, *results)), riding, again

    def _back(self, riding: Unit) -> None:
        """What rode along with something that failed is not lost with it."""
        with self._lock:
            self._fenced[:0] = riding.fenced
            self._free[:0] = riding.free

    def _tell_all(self, unit: Unit, answer: Answer) -> None:
        """Log what is committed, and see to what was not written; of the unit's own alone."""
        for write, said in zip(unit.free, answer.free, strict=False):
            self._tell(write, said)
        if answer.held:
            for write, said in zip(unit.fenced, answer.fenced, strict=False):
                self._tell(write, said)

    def _own(self, unit: Unit, riding: Unit, answer: Answer) -> list[str]:
        """What the caller's own writes said."""
        if not answer.held:
            self._failure = Fenced(f"Run {self._hold.run_id} is no longer held by this worker.")
            raise self._failure
        own = len(unit.fenced) - len(riding.fenced), len(unit.free) - len(riding.free)
        return [*answer.fenced[: own[0]], *answer.free[: own[1]]]

    @staticmethod
    def _tell(write: Write, said: str) -> None:
        if said != "written":
            if write.otherwise is not None:
                write.otherwise()
        elif write.event is not None and not write.is_routine:
            log.info(write.event, **(write.ids or {}))
        elif write.event is not None and _stdlib.isEnabledFor(logging.DEBUG):
            log.debug(write.event, **(write.ids or {}))

    def _schedule(self, linger: float) -> None:
        due = self._loop.time() + linger
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._rides():
            self._start_commit()

    def _start_commit(self) -> None:
        task = self._loop.create_task(self._commit_aside())
        self._committing.add(task)
        task.add_done_callback(self._committing.discard)

    async def _commit_aside(self) -> None:
        """What cannot be written is told to whoever writes next, and waits for the run's close."""
        with self._lock:
            if not (self._fenced or self._free):
                return
        try:
            await self.commit()
        except Fenced:
            return
        except DatabaseLost as error:
            self._failure = error
            log.warning("outbox.waits", error=str(error))
            self._schedule(1.0)
        except psycopg.Error as error:
            self._failure = error
            log.warning("outbox.waits", error=first_line(error))


def _whole(unit: Unit, again: Unit, is_wanted: Callable[[], bool] | None) -> Unit:
    """What is sent: the unit, and once more what rides elsewhere, which may not come after it."""
    whole = replace(unit, fenced=(*unit.fenced, *again.fenced), free=(*unit.free, *again.free))
    return replace(whole, is_wanted=is_wanted) if is_wanted else whole


def _fitting(writes: list[Write], room: int) -> tuple[list[Write], list[Write]]:
    """As many of the first writes as have room for their values, and the rest."""
    for at, write in enumerate(writes):
        room -= len(write.values)
        if room < 0:
            return writes[:at], writes[at:]
    return writes, []
