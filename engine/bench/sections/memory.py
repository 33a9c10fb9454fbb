"""What runs cost in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures import Figure
from ..readings import Footprint

if TYPE_CHECKING:
    from ..stage import Stage

TABLE = "Memory: KiB of the worker's process per run"
KIB = 1024


def memory(stage: Stage) -> list[Figure]:
    """Runs that stand in a tool, and runs that wait for a person."""
    runs = stage.scale.standing
    field = stage.field(["footprint"])
    found = field.measure(
        f"Memory of {runs} runs",
        ["footprint"],
        lambda one: Footprint(**one.ask("footprint", runs=runs)),
        rounds=stage.scale.rounds,
    )
    active = Figure("memory/active", TABLE, "in a tool", "here", "KiB")
    waiting = Figure("memory/waiting", TABLE, "waiting for a person", "here", "KiB")
    footprints = [each.answer for each in found["footprint"]]
    return [
        active.of([each.per_active_run / KIB for each in footprints]),
        waiting.of([each.per_waiting_run / KIB for each in footprints]),
    ]
