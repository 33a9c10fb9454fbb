"""Figures from readings."""

from __future__ import annotations

from collections import Counter

import pytest
from full_bench import full_figures, lap, measured
from interlock.engine.bench.figures import RATIO, Better, Figure
from interlock.engine.bench.readings import Batch, Lap
from interlock.engine.bench.rounds import Measured
from interlock.engine.bench.scale import FULL, QUICK, SECTIONS, Shape
from interlock.engine.bench.sections.calls import call_figures
from interlock.engine.bench.sections.loops import cost_of_step, shape_figures
from interlock.engine.bench.sections.queue import batch_figures
from interlock.engine.bench.sections.waits import wait_figures
from interlock.engine.bench.server import Written
from interlock.engine.bench.suite import MEASURED

SHAPE = Shape(50, 8, 2, ("stock", "reversible"))
LONG = Shape(400, 1, 1, ("stock", "reversible"))


def by_key(figures: list[Figure]) -> dict[str, Figure]:
    assert len({figure.key for figure in figures}) == len(figures)
    return {figure.key: figure for figure in figures}


def test_every_section_can_be_named_and_measured() -> None:
    assert tuple(MEASURED) == SECTIONS


def test_no_two_figures_share_a_key_or_a_cell() -> None:
    figures = full_figures()
    by_key(figures)
    cells = Counter((figure.table, figure.row, figure.column) for figure in figures)
    assert cells.most_common(1)[0][1] == 1
    assert {figure.section for figure in figures} <= set(SECTIONS)


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_shapes_have_an_even_number_of_steps_and_a_key_of_their_own(scale: object) -> None:
    shapes = scale.shapes  # type: ignore[attr-defined]
    assert all(shape.steps % 2 == 0 for shape in shapes)
    assert len({shape.key for shape in shapes}) == len(shapes)


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    # the third round was slow for both: their times say nothing, their ratio does
    times = {"stock": (2.0, 2.0, 20.0), "reversible": (1.0, 1.0, 8.0)}
    found = {
        name: [Measured(lap(SHAPE, seconds), Written(1, 1)) for seconds in each]
        for name, each in times.items()
    }
    ratio = by_key(shape_figures(SHAPE, found, {}))["loops/50x8/reversible:stock"]
    assert (ratio.value, ratio.low, ratio.high, ratio.count) == (2.0, 2.0, 2.25, 3)
    assert (ratio.unit, ratio.better) == (RATIO, Better.MORE)


def test_a_rival_that_is_not_installed_leaves_no_value_behind() -> None:
    why = "not installed: langgraph-checkpoint-postgres"
    found = {"reversible": measured(SHAPE)}
    figures = by_key(shape_figures(SHAPE, found, {"stock": why}))
    for key in ("loops/50x8/stock", "loops/50x8/reversible:stock"):
        assert (figures[key].value, figures[key].note) == (None, why)
    assert figures["loops/50x8/reversible"].value == 800
    long = by_key(shape_figures(LONG, {"reversible": measured(LONG)}, {"stock": why}))
    for key in ("loops/400x1/reversible:stock", "loops/400x1/reversible:stock/stored"):
        assert (long[key].value, long[key].note) == (None, why)


def test_bytes_are_of_all_steps_that_were_walked() -> None:
    walked = Lap(steps=100, seconds=1, cpu_seconds=1, walked=125)
    found = {"stock": [Measured(walked, Written(2500, 5000))]}
    figures = by_key(shape_figures(Shape(50, 1, 2, ("stock",)), found, {}))
    assert figures["loops/50x1/stock/stored"].value == 20
    assert figures["loops/50x1/stock/wal"].value == 40


def test_storage_is_compared_for_long_runs_the_rivals_over_ours() -> None:
    found = {
        "stock": [Measured(lap(LONG), Written(90_000, 80_000))],
        "reversible": [Measured(lap(LONG), Written(3_000, 4_000))],
    }
    figures = by_key(shape_figures(LONG, found, {}))
    assert figures["loops/400x1/reversible:stock/stored"].value == 30
    assert figures["loops/400x1/reversible:stock/wal"].value == 20
    assert "loops/50x8/reversible:stock/stored" not in by_key(
        shape_figures(SHAPE, {name: measured(SHAPE) for name in SHAPE.names}, {})
    )


def test_the_cost_of_a_step_is_half_a_turn_near_it() -> None:
    # turn i takes i milliseconds; the steps from 10 to 30 are those of turns 5 to 14
    assert cost_of_step([float(each) for each in range(199)], 20) == pytest.approx(9.5 / 2)
    assert cost_of_step([float(each) for each in range(199)], 390) == pytest.approx(
        193.75 / 2, rel=0.01
    )


def test_late_and_early_steps_are_compared_within_one_run() -> None:
    # the second run met a machine half as fast: what late steps cost over early ones is the same
    run = [2.0] * 100 + [3.0] * 99
    laps = [Lap(400, 1, 1, 400, [run]), Lap(400, 1, 1, 400, [[2 * turn for turn in run]])]
    found = {"reversible": [Measured(each, Written(1, 1)) for each in laps]}
    figures = by_key(shape_figures(Shape(400, 1, 1, ("reversible",)), found, {}))
    ratio = figures["loops/400x1/reversible/late:early"]
    assert (ratio.value, ratio.low, ratio.high) == (1.5, 1.5, 1.5)
    assert ratio.better is Better.LESS
    assert figures["loops/400x1/reversible/early"].value == 1.5


def test_what_late_steps_cost_a_rival_is_shown_and_not_guarded() -> None:
    figures = by_key(shape_figures(LONG, {name: measured(LONG) for name in LONG.names}, {}))
    assert figures["loops/400x1/stock/late"].value == 1.0
    assert "loops/400x1/stock/late:early" not in figures


def test_what_the_gate_adds_is_taken_in_the_same_round() -> None:
    def one(call: float, turn: float) -> Lap:
        return Lap(4, 1, 1, 4, [[turn]], [call])

    laps = {
        "bare": [one(0.1, 2.0), one(1.1, 4.0)],
        "read": [one(0.4, 3.0), one(1.4, 5.0)],
        "reversible": [one(0.6, 4.0), one(1.6, 8.0)],
    }
    figures = by_key(call_figures(laps))
    assert figures["calls/call/read-bare"].value == pytest.approx(0.3)
    assert figures["calls/turn/read-bare"].value == pytest.approx(1.0)
    assert figures["calls/turn/reversible:bare"].value == pytest.approx(2.0)


def test_a_queue_is_compared_with_the_rivals_that_are_there() -> None:
    batches = {"queue": [Batch(100, 2.0, 0.5)], "procrastinate": [Batch(100, 1.0, 1.0)]}
    figures = by_key(batch_figures(batches, {"dbos": "not installed: dbos"}))
    assert figures["queue/processed/queue"].value == 200
    assert figures["queue/processed/queue:procrastinate"].value == 2
    assert figures["queue/enqueued/queue:procrastinate"].value == 0.5
    for key in ("queue/processed/dbos", "queue/processed/queue:dbos", "queue/enqueued/queue:dbos"):
        assert (figures[key].value, figures[key].note) == (None, "not installed: dbos")


def test_the_slowest_of_a_hundred_is_looked_for_over_all_rounds() -> None:
    rounds = [
        Measured([1.0] * 50, Written(0, 0)),
        Measured([1.0] * 48 + [30.0] * 2, Written(0, 0)),
    ]
    names = ("decisions", "queue", "procrastinate")
    figures = by_key(wait_figures(dict.fromkeys(names, rounds), {"dbos": "not installed: dbos"}))
    tail = figures["waits/resume/decisions/p99"]
    assert (tail.value, tail.count) == (pytest.approx(30.0), 100)
    assert figures["waits/resume/decisions/p50"].value == 1.0
    assert figures["waits/start/dbos/p99"].note == "not installed: dbos"
