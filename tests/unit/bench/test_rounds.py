"""Who measures when, and where."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.bench.rounds import orders
from interlock.engine.bench.server import Written, url_of
from psycopg.conninfo import conninfo_to_dict


def test_everyone_moves_up_by_one_from_round_to_round() -> None:
    assert list(orders("ABC", 4)) == [list("ABC"), list("BCA"), list("CAB"), list("ABC")]


@given(st.lists(st.text(), min_size=1, max_size=8, unique=True), st.integers(0, 20))
def test_everyone_measures_once_in_every_round(names: list[str], rounds: int) -> None:
    found = list(orders(names, rounds))
    assert len(found) == rounds
    assert all(sorted(order) == sorted(names) for order in found)


def test_what_was_written_is_a_difference() -> None:
    assert Written(30, 50).since(Written(10, 20)) == Written(20, 30)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@/postgres?host=/a%20b/run&port=5432",
        "postgresql://dana:p%40ss%2Fword@db.example:5433/main?sslmode=require",
        "host=db.example user=dana password='it is a secret' dbname=main",
    ],
)
def test_another_database_of_the_server_is_reached_the_same_way(url: str) -> None:
    before, after = conninfo_to_dict(url), conninfo_to_dict(url_of(url, "interlock_bench_1"))
    assert after == {**before, "dbname": "interlock_bench_1"}


def test_an_address_that_cannot_be_read_is_not_guessed_at() -> None:
    with pytest.raises(psycopg.ProgrammingError):
        url_of("postgresql://[", "x")
