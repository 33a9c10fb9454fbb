"""How much is measured: all of it, or enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass

SECTIONS = ("loops", "calls", "waits", "queue", "startup", "memory", "resting", "replay")
"""In the order in which they are measured."""
EVERYONE = ("stock", "read", "reversible", "mixed", "memory", "raw")
WITHOUT_PEOPLE = tuple(name for name in EVERYONE if name != "mixed")
MESSAGE_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Shape:
    """A lap of the loop: `runs` slots with `per_slot` runs of `steps` steps each.

    Attributes:
        most_rounds: rounds at the most, for laps that take long.
        warm_up: rounds that are dropped; none where smaller laps have warmed everybody up.
    """

    steps: int
    runs: int
    per_slot: int
    names: tuple[str, ...] = EVERYONE
    most_rounds: int = 1000
    warm_up: int = 1

    @property
    def key(self) -> str:
        """Its name in keys."""
        return f"{self.steps}x{self.runs}"

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.steps} steps, {self.runs} run{'s' if self.runs > 1 else ''} at once"


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts of one bench.

    Attributes:
        rounds: how often each contender measures each row.
        shapes: the laps of the loop.
        turn: the lap whose calls and turns are looked at one by one.
        jobs: empty jobs that go through each queue in a round.
        slots: jobs that are processed side by side.
        waits: decisions, and starts from an idle queue, in a round.
        verdicts: decisions of the policy in a round.
        standing: runs that stand in memory.
        resting: runs that wait for a person.
        history: past calls that another policy judges.
        processes: processes that are started, in place of rounds.
        disk_gib: what the server's data needs at its largest.
    """

    rounds: int
    shapes: tuple[Shape, ...]
    turn: Shape
    jobs: int
    slots: int
    waits: int
    verdicts: int
    standing: int
    resting: int
    history: int
    processes: int
    disk_gib: int


FULL = Scale(
    rounds=5,
    shapes=(
        Shape(10, 1, 15, WITHOUT_PEOPLE),
        Shape(10, 8, 6, WITHOUT_PEOPLE),
        Shape(10, 32, 2, WITHOUT_PEOPLE, warm_up=0),
        Shape(50, 1, 4),
        Shape(50, 8, 2),
        Shape(50, 32, 2, most_rounds=3, warm_up=0),
        Shape(400, 1, 1, WITHOUT_PEOPLE),
        Shape(400, 8, 1, ("stock", "read", "reversible", "memory"), most_rounds=1, warm_up=0),
        Shape(400, 32, 1, ("stock", "reversible"), most_rounds=1, warm_up=0),
    ),
    turn=Shape(50, 1, 4, ("bare", "read", "reversible")),
    jobs=500,
    slots=32,
    waits=40,
    verdicts=2000,
    standing=32,
    resting=10_000,
    history=100_000,
    processes=10,
    disk_gib=8,
)
QUICK = Scale(
    rounds=2,
    shapes=(Shape(10, 1, 5, WITHOUT_PEOPLE), Shape(10, 8, 1)),
    turn=Shape(10, 1, 5, ("bare", "read", "reversible")),
    jobs=50,
    slots=8,
    waits=5,
    verdicts=200,
    standing=8,
    resting=50,
    history=200,
    processes=1,
    disk_gib=1,
)
