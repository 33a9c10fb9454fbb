"""Targets: bounds for figures, kept as data."""

from __future__ import annotations

import pytest
from full_bench import full_figures
from interlock.engine.bench.figures import RATIO, Figure
from interlock.engine.bench.guard import BASELINE, read_baseline
from interlock.engine.bench.targets import Met, Target, judge, targets

FAST = Target("loops/50x8/a:b", "a against b", at_least=1.8)
SHORT = Target("waits/p50", "the wait", at_most=20)


def measured(key: str, value: float | None, note: str = "") -> Figure:
    return Figure(key, "table", "row", "column", RATIO, value=value, note=note)


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (FAST, 1.8, Met.PASSED),
        (FAST, 9.0, Met.PASSED),
        (FAST, 1.7999, Met.FAILED),
        (SHORT, 20, Met.PASSED),
        (SHORT, 0.1, Met.PASSED),
        (SHORT, 20.01, Met.FAILED),
    ],
)
def test_a_bound_is_inclusive(target: Target, value: float, met: Met) -> None:
    (verdict,) = judge([target], [measured(target.key, value)], [])
    assert verdict.met is met


def test_a_figure_without_a_value_never_passes() -> None:
    (verdict,) = judge([FAST], [measured(FAST.key, None, "not installed: b")], [])
    assert verdict.met is Met.NOT_MEASURED
    assert verdict.as_json()["note"] == "not installed: b"


def test_a_figure_that_is_gone_from_a_whole_section_never_passes() -> None:
    (verdict,) = judge([FAST], [], ["loops"])
    assert verdict.met is Met.NOT_MEASURED


def test_a_target_of_a_section_that_was_not_measured_is_left_out() -> None:
    (verdict,) = judge([FAST], [], ["waits"])
    assert verdict.met is Met.LEFT_OUT
    assert verdict.as_json() == {
        "key": FAST.key,
        "what": "a against b",
        "target": "at least 1.8",
        "value": None,
        "unit": None,
        "met": "left out",
        "note": "",
    }


def test_every_target_is_for_a_figure_of_the_full_bench() -> None:
    keys = {figure.key for figure in full_figures()}
    assert {target.key for target in targets()} - keys == set()
    assert len(targets()) == len({target.key for target in targets()})


def test_every_target_has_one_bound() -> None:
    assert all((one.at_least is None) != (one.at_most is None) for one in targets())


def test_every_ratio_that_is_kept_is_one_of_the_full_bench() -> None:
    ratios = {figure.key for figure in full_figures() if figure.unit == RATIO}
    kept = read_baseline(BASELINE) if BASELINE.exists() else {}
    assert set(kept) - ratios == set()
