"""The run queue beside two job libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contenders.table import CONTENDERS
from ..figures import RATIO, Better, Figure
from ..readings import Batch
from ..spread import ratios

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..stage import Stage

OURS = "queue"
RIVALS = ("procrastinate", "dbos")
NAMES = (OURS, *RIVALS)
RATE = "Queue: empty jobs per second"
AGAINST = "Queue: times as fast as a rival in the same round"


def queue(stage: Stage) -> list[Figure]:
    """Enqueue, then process."""
    scale = stage.scale
    field = stage.field(NAMES)
    found = field.measure(
        "Empty jobs",
        NAMES,
        lambda one: Batch(**one.ask("batch", jobs=scale.jobs, slots=scale.slots)),
        rounds=scale.rounds,
    )
    batches = {name: [each.answer for each in rounds] for name, rounds in found.items()}
    return batch_figures(batches, field.absent)


def batch_figures(
    batches: Mapping[str, Sequence[Batch]], absent: Mapping[str, str]
) -> list[Figure]:
    """Both directions of each queue, and ours against each rival's."""
    figures = []
    for what in ("processed", "enqueued"):
        rates = {name: [getattr(b, what) for b in each] for name, each in batches.items()}
        for name in NAMES:
            column = CONTENDERS[name].label
            rate = Figure(f"queue/{what}/{name}", RATE, what, column, "/s", Better.MORE)
            figures.append(rate.without(absent[name]) if name in absent else rate.of(rates[name]))
        for name in RIVALS:
            key = f"queue/{what}/{OURS}:{name}"
            column = f"{CONTENDERS[OURS].label} : {CONTENDERS[name].label}"
            ratio = Figure(key, AGAINST, what, column, RATIO, Better.MORE)
            figures.append(
                ratio.without(absent[name])
                if name in absent
                else ratio.of(ratios(rates[OURS], rates[name]))
            )
    return figures
