"""How long people and callers wait for a worker that has nothing else to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..contenders.table import CONTENDERS
from ..figures import Figure
from ..spread import percentile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..rounds import Measured
    from ..stage import Stage

QUEUES = ("queue", "procrastinate", "dbos")
TABLE = "Waiting: milliseconds, the worker idle"
RESUME = "from a decision to the tool's first line"
START = "from enqueueing to the first line"


def waits(stage: Stage) -> list[Figure]:
    """Decision to tool, and enqueueing to start."""
    scale = stage.scale
    field = stage.field(["decisions", *QUEUES])
    resumed = field.measure(
        "Decision to tool",
        ["decisions"],
        lambda one: one.ask("resumes", count=scale.waits),
        rounds=scale.rounds,
    )
    started = field.measure(
        "Enqueueing to start",
        QUEUES,
        lambda one: one.ask("starts", count=scale.waits),
        rounds=scale.rounds,
    )
    return wait_figures({**resumed, **started}, field.absent)


def wait_figures(
    found: Mapping[str, Sequence[Measured]], absent: Mapping[str, str]
) -> list[Figure]:
    """The median and the 99th percentile over all rounds; the latter's spread is that of rounds."""
    figures = []
    for name in ("decisions", *QUEUES):
        what, row = ("resume", RESUME) if name == "decisions" else ("start", START)
        column = CONTENDERS[name].label
        half = Figure(f"waits/{what}/{name}/p50", TABLE, f"{row}, p50", column, "ms")
        most = Figure(f"waits/{what}/{name}/p99", TABLE, f"{row}, p99", column, "ms")
        if name in absent:
            figures += [half.without(absent[name]), most.without(absent[name])]
            continue
        values = [value for each in found[name] for value in each.answer]
        tails = [percentile(each.answer, 99) for each in found[name]]
        over_all = replace(most.of(tails), value=percentile(values, 99), count=len(values))
        figures += [half.of(values), over_all]
    return figures
