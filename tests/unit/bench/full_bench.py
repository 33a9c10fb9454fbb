"""The figures of a full bench, made from readings that nobody measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlock.engine.bench.readings import Batch, Judged, Lap
from interlock.engine.bench.rounds import Measured
from interlock.engine.bench.scale import FULL, Shape
from interlock.engine.bench.sections.calls import POLICIES, call_figures, verdict_figures
from interlock.engine.bench.sections.loops import shape_figures
from interlock.engine.bench.sections.queue import NAMES, batch_figures
from interlock.engine.bench.sections.replay import replay_figures
from interlock.engine.bench.sections.startup import HELP, LANGGRAPH, PYTHON, WORKER, startup_figures
from interlock.engine.bench.sections.waits import QUEUES, wait_figures
from interlock.engine.bench.server import Written

if TYPE_CHECKING:
    from interlock.engine.bench.figures import Figure

ROUNDS = 3


def lap(shape: Shape, seconds: float = 1.0) -> Lap:
    """A lap that took so long."""
    steps = shape.steps * shape.runs * shape.per_slot
    turns = [[2.0] * (shape.steps // 2 - 1)] if shape.runs == 1 else []
    return Lap(steps, seconds, 0.5, steps, turns, [1.0] * (shape.steps // 2))


def measured(shape: Shape, seconds: float = 1.0) -> list[Measured]:
    """The lap in every round."""
    return [Measured(lap(shape, seconds), Written(1000, 2000)) for _ in range(ROUNDS)]


def full_figures() -> list[Figure]:
    """Of every section but memory and resting, which have neither targets nor ratios."""
    figures = []
    for shape in FULL.shapes:
        figures += shape_figures(shape, {name: measured(shape) for name in shape.names}, {})
    figures += call_figures({name: [lap(FULL.turn)] * ROUNDS for name in FULL.turn.names})
    figures += verdict_figures(dict.fromkeys(POLICIES, [[1.0]] * ROUNDS))
    figures += batch_figures({name: [Batch(10, 1.0, 1.0)] for name in NAMES}, {})
    one = [Measured([1.0, 2.0], Written(0, 0))]
    figures += wait_figures(dict.fromkeys(("decisions", *QUEUES), one), {})
    times = {what: [1.0] for what in (PYTHON, HELP, LANGGRAPH, WORKER)}
    figures += replay_figures(Judged(FULL.history, 30.0, 30.0))
    return figures + startup_figures(times)
