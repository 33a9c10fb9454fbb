"""Points at which whoever comes next suffers: many of them at a time, each again and again."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from .points import AFTER, RARE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from support.crew import WorkerProcess

    from .field import Field

AT_ONCE = 2
"""Points that are armed at a time, the rare ones aside: with all of them nobody would get far."""
A_MOMENT = 0.3
REST = 0.5
"""Seconds between two kills for the sake of what follows, which needs somebody alive."""
PATIENCE = 600.0
"""Seconds to wait until somebody comes to a point, on however slow a machine."""


class NotReached(AssertionError):
    """Nobody came to a point in time: the campaign cannot say anything of it."""

    def __init__(self, missed: str, hits: Counter[str]) -> None:
        super().__init__(missed)
        self.hits = hits


class Patience:
    """Waits for something to happen; whatever does renews it."""

    def __init__(self, hits: Counter[str]) -> None:
        self._hits = hits
        self._seen = -1
        self._at = 0.0

    def check(self, missing: Iterable[str]) -> None:
        """Go on.

        Raises:
            NotReached: nothing happened for too long.
        """
        if self._hits.total() != self._seen:
            self._seen, self._at = self._hits.total(), time.monotonic()
        elif time.monotonic() - self._at > PATIENCE:
            raise NotReached(f"Nobody came to {', '.join(missing)} in time.", self._hits)


class Gauntlet:
    """Arms each of the points so many times, and tells who was caught there.

    Attributes:
        hits: how often somebody was caught, by point.
    """

    def __init__(self, field: Field, points: Sequence[str], rounds: int, act: str = "kill") -> None:
        self._field = field
        self._act = act
        often = [point for point in points if point not in RARE for _ in range(rounds)]
        field.chance.shuffle(often)
        self._left = deque(often)
        self._rare = dict.fromkeys((point for point in points if point in RARE), rounds)
        self._armed: dict[str, float] = {}
        self._causes: set[str] = set()
        self._caused: dict[str, float] = {}
        self.hits: Counter[str] = Counter()

    @property
    def goes_on(self) -> bool:
        """Whether there is a point left."""
        return bool(self._left or self._armed or any(self._rare.values()))

    def caught(self) -> Iterator[tuple[str, WorkerProcess]]:
        """Who was caught since the last time, and where; each is to be buried.

        Raises:
            NotReached: nobody came to a point for too long.
        """
        self._arm()
        self._field.people.want(self._armed)
        yield from self._found()
        late = [point for point, at in self._armed.items() if time.monotonic() - at > PATIENCE]
        if late:
            yield from self.end()
            missed = f"Nobody came to {', '.join(late)} in {PATIENCE:.0f} s."
            raise NotReached(missed, self.hits)

    def _found(self) -> Iterator[tuple[str, WorkerProcess]]:
        for point in [*self._armed, *self._causes]:
            pid = self._field.traps.taken(point)
            worker = None if pid is None else self._field.crew.of(pid)
            if worker in self._field.workers:
                self._armed.pop(point, None)
                if point in self._causes:
                    self._causes.discard(point)
                    self._caused[point] = time.monotonic()
                self.hits[point] += 1
                yield point, worker
            elif worker is not None or self._field.traps.is_lost(point):
                # two threads of it were caught at a time, and the other one was told of
                self._field.traps.trap(point, self._act)

    def _arm(self) -> None:
        for point, rounds in self._rare.items():
            if rounds and point not in self._armed:
                self._rare[point] -= 1
                self._set(point)
        for _ in range(len(self._left)):
            if sum(point not in RARE for point in self._armed) >= AT_ONCE:
                break
            point = self._left.popleft()
            if point in self._armed:
                self._left.append(point)
            else:
                self._set(point)
        self.cause(map(_kind, self._armed))

    def _set(self, point: str) -> None:
        self._armed[point] = time.monotonic()
        if point in self._causes:
            self._causes.discard(point)
        else:
            self._field.traps.trap(point, self._act)

    def cause(self, kinds: Iterable[str]) -> None:
        """Have workers killed where that leads to these transactions."""
        for point in {AFTER[kind] for kind in kinds if kind in AFTER}:
            rested = time.monotonic() - self._caused.get(point, 0.0) > REST
            if rested and point not in self._armed.keys() | self._causes:
                self._causes.add(point)
                self._field.traps.trap(point, "kill")

    def end(self) -> Iterator[tuple[str, WorkerProcess]]:
        """Arm nothing any more; who is caught all the same, while that is done."""
        for point in (*self._armed, *self._causes):
            self._field.traps.clear(point)
        time.sleep(A_MOMENT)
        yield from self._found()


def _kind(point: str) -> str:
    return point.partition(".")[0]
