"""Ratios that are kept, and what is said of those that moved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.bench.figures import RATIO, Better, Figure
from interlock.engine.bench.guard import Kept, Moved, compare, keep, read_baseline, write_baseline
from interlock.engine.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "loops/50x8/reversible:stock"


def figure(value: float | None, key: str = KEY, **more: Any) -> Figure:
    """A ratio."""
    fields = {"unit": RATIO, "better": Better.MORE, "count": 5, **more}
    return Figure(key, "table", "row", "column", value=value, **fields)


def moved(value: float | None, better: Better = Better.MORE) -> Moved:
    kept = {KEY: Kept(2.0, 0.2, better)}
    (one,) = compare(kept, [figure(value, better=better)], [])
    return one.moved


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2.0, Moved.HELD),
        (1.6, Moved.HELD),
        (2.4, Moved.HELD),
        (1.59, Moved.WORSE),
        (2.41, Moved.BETTER),
        (None, Moved.NOT_MEASURED),
    ],
)
def test_a_ratio_moves_when_it_leaves_its_tolerance(value: float | None, said: Moved) -> None:
    assert moved(value) is said


def test_where_less_is_better_a_rise_is_worse() -> None:
    assert moved(2.5, Better.LESS) is Moved.WORSE
    assert moved(1.5, Better.LESS) is Moved.BETTER


def test_the_change_is_a_fraction_of_what_was_kept() -> None:
    (one,) = compare({KEY: Kept(2.0, 0.2, Better.MORE)}, [figure(1.5)], [])
    assert one.change == pytest.approx(-0.25)
    assert one.as_json() == {
        "key": KEY,
        "was": 2.0,
        "is": 1.5,
        "change": pytest.approx(-0.25),
        "tolerance": 0.2,
        "moved": "worse",
    }


def test_a_ratio_that_is_gone_from_a_whole_section_is_missing() -> None:
    kept = {KEY: Kept(2.0, 0.2, Better.MORE)}
    (one,) = compare(kept, [], ["loops"])
    assert (one.moved, one.value, one.change) == (Moved.NOT_MEASURED, None, None)


def test_a_ratio_of_a_section_that_was_left_out_is_not_looked_at() -> None:
    assert compare({KEY: Kept(2.0, 0.2, Better.MORE)}, [], ["queue"]) == []


def test_ratios_alone_are_kept_and_only_those_that_were_measured() -> None:
    figures = [
        figure(1.23456, low=1.2, high=1.3),
        figure(3.0, key="a/time", unit="ms"),
        figure(None, key="b/missing:rival"),
    ]
    assert keep(figures) == {KEY: Kept(1.235, 0.16, Better.MORE)}


@pytest.mark.parametrize(("width", "tolerance"), [(0.0, 0.15), (0.2, 0.2), (1.9, 0.4)])
def test_the_tolerance_follows_the_spread_within_bounds(width: float, tolerance: float) -> None:
    kept = keep([figure(2.0, low=2.0 - width / 2, high=2.0 + width / 2)])
    assert kept[KEY].tolerance == tolerance


@given(st.floats(0.01, 100), st.floats(0, 10), st.sampled_from(Better))
def test_the_bench_that_was_kept_holds_against_itself(
    value: float, width: float, better: Better
) -> None:
    measured = [figure(value, low=value, high=value + width, better=better)]
    (one,) = compare(keep(measured), measured, ["loops"])
    assert one.moved is Moved.HELD


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    kept = {KEY: Kept(2.0, 0.2, Better.MORE), "loops/late:early": Kept(1.1, 0.15, Better.LESS)}
    write_baseline(tmp_path / "kept.json", kept)
    assert read_baseline(tmp_path / "kept.json") == kept


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"ratios": []}',
        '{"ratios": {"a": 1}}',
        '{"ratios": {"a": {"value": 1}}}',
        '{"ratios": {"a": {"value": "1", "tolerance": 0.1, "better": "more"}}}',
        '{"ratios": {"a": {"value": 0, "tolerance": 0.1, "better": "more"}}}',
        '{"ratios": {"a": {"value": NaN, "tolerance": 0.1, "better": "more"}}}',
        '{"ratios": {"a": {"value": 1, "tolerance": -1, "better": "more"}}}',
        '{"ratios": {"a": {"value": 1, "tolerance": 0.1, "better": "up"}}}',
        '{"ratios": {"a": {"value": 1, "tolerance": 0.1, "better": "more", "more": 1}}}',
    ],
)
def test_a_file_that_does_not_hold_ratios_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kept.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="does not hold ratios"):
        read_baseline(path)


def test_a_file_without_a_ratio_checks_nothing_and_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text(json.dumps({"ratios": {}}))
    with pytest.raises(UsageError, match="nothing to check against"):
        read_baseline(path)


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_baseline(tmp_path / "kept.json")
    with pytest.raises(UsageError, match="Cannot write"):
        write_baseline(tmp_path / "nowhere" / "kept.json", {})
