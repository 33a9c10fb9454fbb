"""One call: bare, gated, reversible; and the policy's part of it."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from ..contenders.table import CONTENDERS
from ..figures import RATIO, Figure
from ..spread import ratios
from .loops import lap_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..readings import Lap
    from ..stage import Stage

CALL = "One call: milliseconds as the node sees it"
TURN = "One call: milliseconds of the agent's turn with it, all that it is charged with included"
POLICY = "One call: microseconds of the policy's decision"
GATED = ("read", "reversible")
POLICIES = {"policy": "calls/policy", "policies": "calls/policy/100x50"}


def calls(stage: Stage) -> list[Figure]:
    """Laps of one run at a time, where each call and each turn is timed by itself."""
    shape = stage.scale.turn
    field = stage.field([*shape.names, *POLICIES])
    found = field.measure("One call", shape.names, lap_of(shape), rounds=stage.scale.rounds)
    decided = field.measure(
        "The policy's decision",
        list(POLICIES),
        lambda contestant: contestant.ask("verdicts", count=stage.scale.verdicts),
        rounds=stage.scale.rounds,
    )
    laps = {name: [each.answer for each in rounds] for name, rounds in found.items()}
    verdicts = {name: [each.answer for each in rounds] for name, rounds in decided.items()}
    return [*call_figures(laps), *verdict_figures(verdicts)]


def verdict_figures(times: Mapping[str, Sequence[Sequence[float]]]) -> list[Figure]:
    """How long each policy takes for a decision, at the median of a round."""
    return [
        Figure(key, POLICY, "decide", CONTENDERS[name].label, "µs").of(
            [statistics.median(each) for each in times[name]]
        )
        for name, key in POLICIES.items()
    ]


def call_figures(laps: Mapping[str, Sequence[Lap]]) -> list[Figure]:
    """Each kind of call, and what the gate adds to a bare one in the same round."""
    calls = {name: [statistics.median(lap.calls) for lap in each] for name, each in laps.items()}
    turns = {
        name: [statistics.median([turn for run in lap.turns for turn in run]) for lap in each]
        for name, each in laps.items()
    }
    figures = []
    for what, table, times in (("call", CALL, calls), ("turn", TURN, turns)):
        for name, values in times.items():
            column = CONTENDERS[name].label
            figures.append(Figure(f"calls/{what}/{name}", table, what, column, "ms").of(values))
        for name in GATED:
            column = CONTENDERS[name].label
            over = Figure(f"calls/{what}/{name}-bare", table, "over the bare one", column, "ms")
            added = [a - b for a, b in zip(times[name], times["bare"], strict=True)]
            figures.append(over.of(added))
    for name in GATED:
        slower = Figure(
            f"calls/turn/{name}:bare", TURN, "times the bare one", CONTENDERS[name].label, RATIO
        )
        figures.append(slower.of(ratios(turns[name], turns["bare"])))
    return figures
