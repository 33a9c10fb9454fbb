"""The faults: each works on a field for so many rounds, and tells how often it happened."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from interlock.engine.postgres_server import PostgresServer

from . import clocks
from .gauntlet import Gauntlet, Patience
from .lost_answers import TRANSACTIONS
from .points import AFTER, BEHIND, MOST_BEHIND, POINTS, SLOW

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence

    from interlock.engine.embedded import EmbeddedPostgres
    from support.crew import WorkerProcess

    from .field import Field
    from .lost_answers import LostAnswers

    Strike = Callable[[Field, int], Counter[str]]

PAUSE = 0.005
_ENDS_THERE = ("propose", "start", "state", "park", "lapse")
STOPPABLE = tuple(
    point
    for point in POINTS
    if point.partition(".")[0] not in AFTER
    and not (point.endswith(".sent") and point.startswith((*_ENDS_THERE, "undo_")))
)
"""Points that a worker can go on from; whoever sent a COMMIT without waiting for it cannot."""


def each_point(
    field: Field,
    rounds: int,
    *,
    points: Sequence[str] = POINTS,
    cut: bool = False,
    race: bool = True,
) -> Counter[str]:
    """A kill at every point, so many times each."""
    gauntlet = Gauntlet(field, points, rounds)
    while gauntlet.goes_on:
        field.keep_busy()
        for point, worker in gauntlet.caught():
            _bury(field, worker, point, cut=cut and point in points, race=race)
        time.sleep(PAUSE)
    for point, worker in gauntlet.end():
        _bury(field, worker, point, cut=cut, race=race)
    return gauntlet.hits


def _bury(field: Field, worker: WorkerProcess, point: str, **how: bool) -> None:
    worker.wait()
    field.bury(worker, point, **how)


def far_ahead(field: Field, rounds: int) -> Counter[str]:
    """A kill with each number of steps taken that are not written."""
    field.people.muse = 2 * MOST_BEHIND
    field.traps.trap(SLOW, "hold")  # nobody passes by it: it is looked for
    try:
        return each_point(field, rounds, points=BEHIND)
    finally:
        field.traps.clear(SLOW)


class Sleepers:
    """Workers that stand still until their lease is over; one at least is awake."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._until: dict[WorkerProcess, float] = {}

    @property
    def have_room(self) -> bool:
        return len(self._until) < len(self._field.workers) - 1

    @property
    def awake(self) -> list[WorkerProcess]:
        return [worker for worker in self._field.workers if worker not in self._until]

    def add(self, worker: WorkerProcess, point: str | None) -> None:
        """One more, which was stopped."""
        worker.wait_until_stopped()
        self._field.note("stop", worker, point)
        rest = self._field.staff.lease * self._field.chance.uniform(1.1, 1.8)
        self._until[worker] = time.monotonic() + rest

    def wake(self, *, all_: bool = False) -> None:
        """Let those go on that stood still for long enough; with `all_`, wait for them."""
        while True:
            for worker, until in list(self._until.items()):
                if time.monotonic() >= until:
                    worker.go_on()
                    del self._until[worker]
            for worker in self.awake:
                if worker.is_stopped:  # another thread of it came to a point, too
                    self.add(worker, None)
            if not (all_ and self._until):
                return
            time.sleep(PAUSE)


def each_point_stopped(field: Field, rounds: int) -> Counter[str]:
    """A stop past the lease at every point that has a moment after it."""
    gauntlet, sleepers = Gauntlet(field, STOPPABLE, rounds, "stop"), Sleepers(field)
    while gauntlet.goes_on:
        field.keep_busy()
        for point, worker in gauntlet.caught():
            sleepers.add(worker, point)
        sleepers.wake()
        time.sleep(PAUSE)
    sleepers.wake(all_=True)
    return gauntlet.hits


def stops(field: Field, rounds: int) -> Counter[str]:
    """A stop past the lease wherever a worker is."""
    sleepers = Sleepers(field)
    for _ in range(rounds):
        time.sleep(field.chance.random() * 0.3)
        while not sleepers.have_room:
            field.keep_busy()
            sleepers.wake()
            time.sleep(PAUSE)
        worker = field.chance.choice(sleepers.awake)
        worker.stop()
        sleepers.add(worker, None)
        field.keep_busy()
    sleepers.wake(all_=True)
    return Counter(stops=rounds)


def kills(field: Field, rounds: int) -> Counter[str]:
    """A kill wherever a worker is: of the ones that are up, a moment after each other."""
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.random() * 0.2)
        up = [worker for worker in field.workers if worker.times_logged("worker.started")]
        worker = field.chance.choice(up or field.workers)
        worker.kill()
        field.bury(worker, None)
    return Counter(kills=rounds)


def cuts(field: Field, rounds: int) -> Counter[str]:
    """Every connection broken at a time."""
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.random() * 0.15)
        field.cut()
    return Counter(cuts=rounds)


def restarts(
    field: Field, rounds: int, server: EmbeddedPostgres, how: signal.Signals
) -> Counter[str]:
    """PostgreSQL ended by a signal, and started again."""
    for _ in range(rounds):
        until = time.monotonic() + field.chance.random() * 0.7
        while time.monotonic() < until:
            field.keep_busy()
            time.sleep(PAUSE)
        postmaster = PostgresServer(server.root).postmaster()
        assert postmaster
        field.note(f"postgres {how.name}")
        postmaster.send_signal(how)
        postmaster.wait(30)
        server.start()
    return Counter(restarts=rounds)


def clock_jumps(field: Field, rounds: int) -> Counter[str]:
    """A worker's clock set to another time, by up to two hours, or its machine put to sleep."""
    shifts: dict[int, list[float]] = {}
    jumps: Counter[str] = Counter()
    for _ in range(rounds):
        field.keep_busy()
        time.sleep(field.chance.random() * 0.4)
        worker = field.chance.choice(field.workers)
        kind = field.chance.choice(["ahead", "back", "asleep"])
        shown = shifts.setdefault(worker.pid, [0.0, 0.0])
        by = field.chance.choice([0.05, 1.0, 60.0, 7200.0]) * field.chance.random()
        if kind == "asleep":
            shown[1] += field.staff.lease * field.chance.uniform(0.5, 3.0)
            field.note("asleep", worker)
        else:
            shown[0] += by if kind == "ahead" else -by
        clocks.shift(field.clocks[worker.pid], realtime=shown[0], slept=shown[1])
        jumps[kind] += 1
    return jumps


def lost_answers(field: Field, rounds: int, proxy: LostAnswers) -> Counter[str]:
    """The answer of each transaction, forgotten so many times.

    Some transactions only follow a kill, so workers are killed as long as those are wanted.
    """
    gauntlet = Gauntlet(field, (), 0)
    proxy.wanted.update(dict.fromkeys(TRANSACTIONS, rounds))
    patience = Patience(proxy.lost)
    while missing := [kind for kind in TRANSACTIONS if proxy.wanted[kind] > 0]:
        patience.check(missing)
        field.people.want(missing)
        field.keep_busy(cancelled=0.5 if proxy.wanted["cancel"] > 0 else 0.05)
        gauntlet.cause(kind for kind in AFTER if proxy.wanted[kind] > 0)
        for point, worker in gauntlet.caught():
            _bury(field, worker, point)
        time.sleep(PAUSE)
    for point, worker in gauntlet.end():
        _bury(field, worker, point)
    return Counter(proxy.lost)


NAMED_POINTS: dict[str, Strike] = {
    "SIGKILL at each named point": partial(each_point, race=False),
    "SIGKILL at each named point, all connections cut": partial(each_point, cut=True),
    "SIGKILL at each named point, raced by a second worker": each_point,
}
