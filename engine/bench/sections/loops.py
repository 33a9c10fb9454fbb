"""The ReAct loop: steps per second, CPU, bytes and WAL, and what late steps cost."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from ..contenders.table import CONTENDERS
from ..figures import RATIO, Better, Figure
from ..readings import Lap
from ..scale import MESSAGE_BYTES
from ..spread import ratios

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..processes import Contestant
    from ..rounds import Measured
    from ..scale import Shape
    from ..stage import Stage

PAIRS = (
    *(("read", "stock"), ("reversible", "stock"), ("mixed", "stock")),
    *(("read", "memory"), ("reversible", "memory"), ("reversible", "raw")),
)
OURS = ("read", "reversible", "mixed")
STORING = ("stock", *OURS)
LONG = 400
"""Steps from which on the cost of single steps is looked at."""
EARLY = 20
FROM_END = 10
WINDOW = 10.0
"""Steps before and after the one whose cost is the median of the window's."""

RATE = "Loop: steps per second"
CPU = "Loop: CPU milliseconds per step, of the contender's own process"
STORED = "Loop: bytes stored per step"
LOGGED = "Loop: bytes of WAL per step, the whole server's"
AGAINST = "Loop: times as fast as a rival in the same round"
SMALLER = "Loop: times as few bytes as a rival's"
STEP = "Loop: milliseconds of a step"


def loops(stage: Stage) -> list[Figure]:
    """All shapes of the scale."""
    shapes = stage.scale.shapes
    names = list(dict.fromkeys(name for shape in shapes for name in shape.names))
    figures = []
    field = stage.field(names)
    for shape in shapes:
        found = field.measure(
            shape.label,
            shape.names,
            lap_of(shape),
            rounds=min(stage.scale.rounds, shape.most_rounds),
            warm_up=shape.warm_up,
        )
        figures += shape_figures(shape, found, field.absent)
    return figures


def lap_of(shape: Shape) -> Callable[[Contestant], Lap]:
    """What a contender is asked for."""
    size = {"steps": shape.steps, "size": MESSAGE_BYTES}
    slots = {"runs": shape.runs, "per_slot": shape.per_slot}
    return lambda contestant: Lap(**contestant.ask("lap", **size, **slots))


def shape_figures(
    shape: Shape, found: Mapping[str, Sequence[Measured]], absent: Mapping[str, str]
) -> list[Figure]:
    """The rows of one shape."""
    figures = []
    for name in shape.names:
        figures += _own(shape, name, found, absent)
    for ours, rival in PAIRS:
        if {ours, rival} <= set(shape.names):
            figures += _pair(shape, ours, rival, found, absent)
    return figures


def _own(
    shape: Shape,
    name: str,
    found: Mapping[str, Sequence[Measured]],
    absent: Mapping[str, str],
) -> list[Figure]:
    key, column = f"loops/{shape.key}/{name}", CONTENDERS[name].label
    rate = Figure(key, RATE, shape.label, column, "steps/s", Better.MORE)
    if name in absent:
        return [rate.without(absent[name])]
    rounds = found[name]
    laps: list[Lap] = [each.answer for each in rounds]
    cpu = Figure(f"{key}/cpu", CPU, shape.label, column, "ms")
    figures = [
        rate.of([lap.rate for lap in laps]),
        cpu.of([lap.cpu_per_step for lap in laps]),
    ]
    if name in STORING:
        stored = Figure(f"{key}/stored", STORED, shape.label, column, "bytes")
        logged = Figure(f"{key}/wal", LOGGED, shape.label, column, "bytes")
        figures += [stored.of(_stored(rounds)), logged.of(_logged(rounds))]
    if shape.runs == 1 and shape.steps >= LONG:
        figures += _late_and_early(shape, name, laps)
    return figures


def _pair(
    shape: Shape,
    ours: str,
    rival: str,
    found: Mapping[str, Sequence[Measured]],
    absent: Mapping[str, str],
) -> list[Figure]:
    key = f"loops/{shape.key}/{ours}:{rival}"
    column = f"{CONTENDERS[ours].label} : {CONTENDERS[rival].label}"
    figures = [Figure(key, AGAINST, shape.label, column, RATIO, Better.MORE)]
    if rival in STORING and shape.steps >= LONG:
        for what, name in (("stored", "stored"), ("WAL", "wal")):
            row = f"{shape.label}: {what}"
            figures.append(Figure(f"{key}/{name}", SMALLER, row, column, RATIO, Better.MORE))
    if why := absent.get(ours) or absent.get(rival):
        return [figure.without(why) for figure in figures]
    mine, theirs = found[ours], found[rival]
    values = [ratios([each.answer.rate for each in mine], [each.answer.rate for each in theirs])]
    if len(figures) > 1:
        values += [ratios(_stored(theirs), _stored(mine)), ratios(_logged(theirs), _logged(mine))]
    return [figure.of(each) for figure, each in zip(figures, values, strict=True)]


def _stored(rounds: Sequence[Measured]) -> list[float]:
    return [each.written.stored / each.answer.walked for each in rounds]


def _logged(rounds: Sequence[Measured]) -> list[float]:
    return [each.written.wal / each.answer.walked for each in rounds]


def _late_and_early(shape: Shape, name: str, laps: Sequence[Lap]) -> list[Figure]:
    runs = [run for lap in laps for run in lap.turns]
    if not runs:
        return []
    key, column = f"loops/{shape.key}/{name}", CONTENDERS[name].label
    late_step = shape.steps - FROM_END
    early = [cost_of_step(run, EARLY) for run in runs]
    late = [cost_of_step(run, late_step) for run in runs]
    figures = [
        Figure(f"{key}/early", STEP, f"step {EARLY}", column, "ms").of(early),
        Figure(f"{key}/late", STEP, f"step {late_step}", column, "ms").of(late),
    ]
    if name in OURS:
        row = f"step {late_step} : step {EARLY}"
        ratio = Figure(f"{key}/late:early", STEP, row, column, RATIO)
        figures.append(ratio.of(ratios(late, early)))
    return figures


def cost_of_step(turns: Sequence[float], step: int) -> float:
    """Milliseconds of one step: the median around it, from the times between a run's turns.

    Turn `i` (from 0) and its calls are the steps `2 i + 1` and `2 i + 2`.
    """
    near = [turn / 2 for index, turn in enumerate(turns) if abs(2 * index + 1.5 - step) <= WINDOW]
    return statistics.median(near)
