"""What runs that wait for a person hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..figures import Figure
from ..readings import Holdings, Rest

if TYPE_CHECKING:
    from ..stage import Stage

MIB = 1024 * 1024
ROWS = {
    "memory": "memory of the worker, MiB",
    "threads": "threads of the worker",
    "processes": "processes that it started",
    "connections": "connections to the database",
    "locks": "locks in the database",
}


def resting(stage: Stage) -> list[Figure]:
    """An idle worker, before and after the runs came to wait."""
    field = stage.field(["resting"])
    found = field.measure(
        f"{stage.scale.resting} waiting runs",
        ["resting"],
        lambda one: rest_of(one.ask("rest", runs=stage.scale.resting)),
        rounds=1,
        warm_up=0,
    )
    return rest_figures(stage.scale.resting, found["resting"][0].answer)


def rest_of(answer: dict[str, dict[str, int]]) -> Rest:
    """The reading that came as JSON."""
    return Rest(Holdings(**answer["before"]), Holdings(**answer["after"]))


def rest_figures(runs: int, rest: Rest) -> list[Figure]:
    """One row for each kind of thing that could be held."""
    table = f"Waiting for a person: what an idle worker holds, with {runs:,} runs that wait"
    figures = []
    for name, row in ROWS.items():
        unit = "MiB" if name == "memory" else ""
        for when, held in (("before", rest.before), ("after", rest.after)):
            value = getattr(held, name) / (MIB if name == "memory" else 1)
            figure = Figure(f"resting/{name}/{when}", table, row, f"{when} them", unit)
            figures.append(figure.of([value]))
    return figures
