"""Each fault for a few rounds, and the checker has nothing to say; `make chaos` runs many more."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from harness import faults, races
from harness.field import Field
from harness.lost_answers import LostAnswers
from harness.points import POINTS
from harness.stock_field import StockField, stock_points
from interlock.engine import schema
from interlock.engine.database import Database
from interlock.engine.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from pathlib import Path

    from support.nursery import Nursery

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "INTERLOCK_CHAOS_ROUNDS" not in os.environ,
        reason="minutes of faults: set INTERLOCK_CHAOS_ROUNDS, or run `make chaos`",
    ),
]

PARTS = 3
AT_ONCE = 8
"""So many points of each part, other ones in each run; all of them from two rounds on."""


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_each_named_point_with_every_connection_cut_nothing_is_violated(
    part: int, database_url: str, nursery: Nursery, tmp_path: Path, seed: str, rounds: int
) -> None:
    points = list(POINTS[part::PARTS])
    with Field(database_url, nursery, tmp_path, seed) as field:
        if rounds == 1:
            points = field.chance.sample(points, AT_ONCE)
        for point in points * rounds:
            field.keep_busy()
            field.kill_at(point, cut=field.chance.random() < 0.5)
        assert field.settle() == []
    assert {fault.point for fault in field.faults if fault.kind == "kill"} >= set(points)


@pytest.mark.parametrize(
    ("fault", "lease"),
    [(faults.kills, 10.0), (faults.stops, 2.0), (faults.cuts, 10.0)],
    ids=["killed", "stopped-past-the-lease", "cut"],
)
def test_struck_at_random_nothing_is_violated(
    fault: faults.Strike,
    lease: float,
    database_url: str,
    nursery: Nursery,
    tmp_path: Path,
    seed: str,
    rounds: int,
) -> None:
    with Field(database_url, nursery, tmp_path, seed, lease=lease) as field:
        fault(field, 4 * rounds)
        assert field.settle() == []


def test_whichever_answer_is_lost_nothing_is_violated(
    database_url: str, nursery: Nursery, tmp_path: Path, seed: str, rounds: int
) -> None:
    with (
        LostAnswers(database_url, seed) as proxy,
        Field(database_url, nursery, tmp_path, seed, through=proxy.url) as field,
    ):
        faults.lost_answers(field, rounds, proxy)
        assert field.settle() == []
    assert set(proxy.lost) == set(faults.LOSABLE)
    assert not [entry for entry in field.evidence.audit if entry.event == "call.in_doubt"]


@pytest.mark.xdist_group("postgres_chaos")
@pytest.mark.parametrize("how", [signal.SIGQUIT, signal.SIGKILL])
def test_when_postgres_dies_nothing_is_violated_and_nothing_is_in_doubt(
    how: signal.Signals,
    nursery: Nursery,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    seed: str,
    rounds: int,
) -> None:
    with EmbeddedPostgres(tmp_path_factory.mktemp("dying")) as server:
        database = Database(server.url)
        schema.migrate(database)
        database.close()
        with Field(server.url, nursery, tmp_path, seed) as field:
            faults.restarts(field, rounds, server, how)
            assert field.settle() == []
    assert not [entry for entry in field.evidence.audit if entry.event == "call.in_doubt"]


def test_of_many_people_who_decide_at_once_one_wins_and_the_others_are_told_who(
    database_url: str, nursery: Nursery, tmp_path: Path, seed: str, rounds: int
) -> None:
    with Field(database_url, nursery, tmp_path, seed, staffed=False) as field:
        names = races.enlist(field, 12)
        for _ in range(3 * rounds):
            assert races.everybody_decides(field, names) == []
        assert field.settle() == []


def test_when_a_decision_meets_the_deadline_and_a_cancellation_each_acknowledgement_holds(
    database_url: str, nursery: Nursery, tmp_path: Path, seed: str, rounds: int
) -> None:
    with Field(database_url, nursery, tmp_path, seed, staffed=False) as field:
        for _ in range(3 * rounds):
            races.deadline_meets_decision_and_cancel(field)
        assert field.settle() == []
    assert field.acks.all()


def test_the_stock_engine_repeats_calls_under_the_same_faults(
    empty_database_url: str, tmp_path: Path, seed: str, rounds: int
) -> None:
    with StockField(empty_database_url, tmp_path, seed) as field:
        stock_points(field, rounds)
        assert field.settle().total() > 0
