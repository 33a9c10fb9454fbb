"""What one execution has to write and has not written yet: it goes with the run's next transaction.

What nobody has to wait for rides: a read that is over, a result, the writes of a task whose step is
not done. It is written with whatever the run commits next, or by itself after its linger.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import structlog

from .database import first_line
from .errors import DatabaseLost, Fenced
from .group_commit import MOST_VALUES, Fence, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from .group_commit import Answer, GroupCommit, Write
    from .hold import Hold
    from .limits import Usage

log = structlog.get_logger()
_stdlib = logging.getLogger(__name__)


class Outbox:
    """One execution's way to the database on the hot path; made on the event loop.

    Everything but `commit` may be called from any thread.
    """

    def __init__(self, commit: GroupCommit, hold: Hold, usage: Usage) -> None:
        self._group = commit
        self._hold = hold
        self._steps = usage.steps
        self._calls = usage.calls
        self._lock = threading.Lock()
        self._fenced: list[Write] = []
        self._free: list[Write] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: set[asyncio.Task[None]] = set()
        self._loose: Callable[[], Sequence[Write]] = tuple

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

    def count_call(self) -> None:
        """One more call; in the run's row with the next write."""
        with self._lock:
            self._calls += 1

    def epoch_of(self, run_id: UUID) -> int | None:
        """The epoch that this executor holds the run by, if it is the one."""
        return self._hold.epoch if run_id == self._hold.run_id else None

    @property
    def used(self) -> tuple[int, int]:
        """Steps and calls so far."""
        with self._lock:
            return self._steps, self._calls

    def ride(
        self, *, linger: float, fenced: Sequence[Write] = (), free: Sequence[Write] = ()
    ) -> None:
        """Write these with the run's next transaction, or after `linger` seconds."""
        with self._lock:
            self._fenced += fenced
            self._free += free
        self.flush_in(linger)

    def flush_in(self, linger: float) -> None:
        """Write what rides after so many seconds at the latest."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            self._schedule(linger)
        else:
            self._loop.call_soon_threadsafe(self._schedule, linger)

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
        unit, riding = self._unit(fenced, free, is_wanted)
        try:
            answer = await self._group.write(unit)
        except BaseException:  # whoever stops waiting does not know whether it was written
            self._back(riding)
            raise
        return self._settle(unit, riding, answer)

    def commit_now(
        self,
        fenced: Sequence[Write] = (),
        free: Sequence[Write] = (),
        is_wanted: Callable[[], bool] | None = None,
    ) -> list[str]:
        """As `commit`, from any thread; blocks."""
        unit, riding = self._unit(fenced, free, is_wanted)
        try:
            answer = self._group.write_now(unit)
        except BaseException:  # whoever stops waiting does not know whether it was written
            self._back(riding)
            raise
        return self._settle(unit, riding, answer)

    async def flush(self) -> None:
        """Write what rides now, if anything does."""
        if self._flushing:
            await asyncio.wait(self._flushing)
        while self._rides():
            await self.commit()

    def flush_now(self) -> None:
        """As `flush`, from any thread; blocks."""
        while self._rides():
            self.commit_now()

    async def close(self) -> None:
        """Write what rides, however long the database is away: results are the truth."""
        while True:
            try:
                await self.flush()
            except DatabaseLost as error:
                log.warning("outbox.waits", error=str(error))
            except psycopg.Error:  # one of them cannot be written
                with suppress(DatabaseLost):
                    await self._one_by_one()
            except Fenced:
                continue
            else:
                return

    async def _one_by_one(self) -> None:
        """Write what rides each by itself, without what cannot be written."""
        riding, _ = self._unit((), ())
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
                with suppress(Fenced):
                    self._settle(unit, unit, answer)
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
        self,
        fenced: Sequence[Write],
        free: Sequence[Write],
        is_wanted: Callable[[], bool] | None = None,
    ) -> tuple[Unit, Unit]:
        """The unit to commit, and the part of it that rode."""
        with self._lock:
            hold = self._hold
            fence = Fence(hold.tenant, hold.run_id, hold.epoch, self._steps, self._calls)
            # results first; what does not fit into one statement rides on
            results, self._free = _fitting(self._free, MOST_VALUES)
            room = MOST_VALUES - sum(len(write.values) for write in results)
            others, self._fenced = _fitting(self._fenced, room)
            riding = Unit(fence, tuple(others), tuple(results))
        whole = Unit(fence, (*fenced, *riding.fenced), (*free, *riding.free))
        return (replace(whole, is_wanted=is_wanted) if is_wanted else whole), riding

    def _back(self, riding: Unit) -> None:
        """What rode along with something that failed is not lost with it."""
        with self._lock:
            self._fenced[:0] = riding.fenced
            self._free[:0] = riding.free

    def _settle(self, unit: Unit, riding: Unit, answer: Answer) -> list[str]:
        """Log what is committed, and give what the caller's own writes said."""
        for write, said in zip(unit.free, answer.free, strict=True):
            self._tell(write, said)
        if not answer.held:
            raise Fenced(f"Run {self._hold.run_id} is no longer held by this worker.")
        for write, said in zip(unit.fenced, answer.fenced, strict=True):
            self._tell(write, said)
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
            task = self._loop.create_task(self._flush_aside())
            self._flushing.add(task)
            task.add_done_callback(self._flushing.discard)

    async def _flush_aside(self) -> None:
        try:
            await self.commit()
        except Fenced:
            return  # the next write of the run is told
        except DatabaseLost as error:
            log.warning("outbox.waits", error=str(error))
            self._schedule(1.0)
        except psycopg.Error as error:
            log.warning("outbox.waits", error=first_line(error))  # until the run is closed


def _fitting(writes: list[Write], room: int) -> tuple[list[Write], list[Write]]:
    """As many of the first writes as have room for their values, and the rest."""
    for at, write in enumerate(writes):
        room -= len(write.values)
        if room < 0:
            return writes[:at], writes[at:]
    return writes, []
