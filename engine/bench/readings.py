"""What contenders answer when they are told to measure once; they travel as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .workload import Marks

WARM_STEPS = 4
"""The steps of the runs that are walked before a clock starts, so that connections are open."""


@dataclass(frozen=True, slots=True)
class Lap:
    """Some runs of the loop, side by side.

    Attributes:
        steps: supersteps within the clock.
        seconds: from the first run's start to the last run's end.
        cpu_seconds: what the process used within the clock.
        walked: supersteps within and before the clock.
        turns: for runs one after the other, milliseconds from each turn to the next, run by run.
        calls: milliseconds of each call, as the node sees it.
    """

    steps: int
    seconds: float
    cpu_seconds: float
    walked: int
    turns: list[list[float]] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self.steps / self.seconds

    @property
    def cpu_per_step(self) -> float:
        """CPU milliseconds per step."""
        return self.cpu_seconds / self.steps * 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Empty jobs: all enqueued one after the other, then all processed.

    Attributes:
        process_seconds: from the first job's start to the last job's end.
    """

    jobs: int
    enqueue_seconds: float
    process_seconds: float

    @property
    def enqueued(self) -> float:
        """Jobs enqueued per second."""
        return self.jobs / self.enqueue_seconds

    @property
    def processed(self) -> float:
        """Jobs processed per second."""
        return self.jobs / self.process_seconds


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that the worker's process grew by for each run: its resident set."""

    per_active_run: float
    per_waiting_run: float


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a worker's process holds, in itself (`memory` in bytes) and in the database."""

    memory: int
    threads: int
    processes: int
    connections: int
    locks: int


@dataclass(frozen=True, slots=True)
class Rest:
    """What an idle worker holds before and after runs came to wait for a person."""

    before: Holdings
    after: Holdings


@dataclass(frozen=True, slots=True)
class Judged:
    """Past calls that another policy judged.

    Attributes:
        calls: those that were compared.
        seconds: from the first look at the database to the last verdict.
        cpu_seconds: what the process used within the clock.
    """

    calls: int
    seconds: float
    cpu_seconds: float


def lap_of(
    marks: Marks, *, steps: int, runs: int, per_slot: int, seconds: float, cpu: float
) -> Lap:
    """The lap that `marks` saw: `runs` slots with `per_slot` runs of `steps` steps each.

    `cpu` is the process's CPU seconds at the lap's end.
    """
    total = steps * runs * per_slot
    return Lap(
        steps=total,
        seconds=seconds,
        cpu_seconds=cpu - (marks.cpu or 0.0),
        walked=total + WARM_STEPS * runs,
        turns=turns_of_runs(marks.turns, steps) if runs == 1 else [],
        calls=[seconds * 1000 for seconds in marks.calls],
    )


def turns_of_runs(moments: list[float], steps: int) -> list[list[float]]:
    """Milliseconds from each turn to the next, for runs of `steps` steps one after the other."""
    each = steps // 2
    return [
        [(late - early) * 1000 for early, late in pairwise(run)]
        for run in (moments[at : at + each] for at in range(0, len(moments), each))
    ]
