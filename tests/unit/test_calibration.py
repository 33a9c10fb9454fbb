"""Calibration: intervals that know how little is known, and what a threshold would do."""

from __future__ import annotations

import pytest
from interlock.engine.calibration import EDGES, Share, bins


@pytest.mark.parametrize(
    ("hits", "cases", "low", "high"),
    [  # as R's prop.test(…, correct = FALSE) has them
        (3, 3, 0.4385, 1.0),
        (0, 3, 0.0, 0.5615),
        (81, 100, 0.7222, 0.8749),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_an_interval_is_wilsons(hits: int, cases: int, low: float, high: float) -> None:
    assert Share(hits, cases).interval == pytest.approx((low, high), abs=0.0001)


def test_of_nothing_everything_is_possible() -> None:
    assert Share(0, 0).rate is None
    assert Share(0, 0).interval == (0.0, 1.0)


def test_a_threshold_asks_about_all_below_it_and_lets_the_wrong_above_it_pass() -> None:
    counted: list[dict[str, int]] = [{} for _ in EDGES]
    counted[1] = {"approved": 2, "rejected": 3, "open": 5}
    counted[5] = {"approved": 8, "wrong": 1, "unused": 4}
    counted[7] = {"approved": 20, "undone": 2}
    made = bins(counted)
    assert [(each.low, each.high) for each in made][5:] == [(0.9, 0.95), (0.95, 0.99), (0.99, 1)]
    assert made[1].approved == Share(2, 5)
    assert made[5].approved == Share(8, 9)
    assert [each.asks for each in made[:2]] == [Share(0, 45), Share(0, 45)]
    assert (made[5].asks, made[6].asks, made[7].asks) == (
        Share(10, 45),
        Share(23, 45),
        Share(23, 45),
    )
    assert made[0].lets_pass == made[1].lets_pass == Share(6, 36)
    assert (made[5].lets_pass, made[7].lets_pass) == (Share(3, 31), Share(2, 22))
    assert made[0].as_json()["threshold"]["asks"]["cases"] == 45
