"""How many approvals are missing: the database's answer, and the pure one beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING

import pytest
from interlock.engine.quorum import Voice, missing, places

if TYPE_CHECKING:
    from rows import Rows

GROUPS = ("finance", "on-call", "security")
PEOPLE = ("dana", "erik", "fay")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def voice(name: str, *groups: str, why_not: str | None = None) -> Voice:
    return Voice(name, frozenset(groups), why_not, NOW)


@pytest.mark.parametrize("seed", range(24))
def test_the_database_and_the_page_agree_on_what_is_missing(seed: int, rows: Rows) -> None:
    random = Random(seed)  # noqa: S311 - cases to try, no secret
    each = {group: random.randint(1, 2) for group in random.sample(GROUPS, random.randint(0, 3))}
    quorum = random.randint(1, 4)
    approval_id = rows.approval(each=json.dumps(each), quorum=quorum, reviewers=list(GROUPS))
    voices = []
    for name in random.sample(PEOPLE, random.randint(0, 3)):
        groups = random.sample(GROUPS, random.randint(1, 3))
        rows.do("update reviewers set groups = %(g)s where name = %(n)s", g=groups, n=name)
        rows.decide(approval_id, name)
        voices.append(voice(name, *groups))
    query = "select still_missing(a) from approvals a where a.id = %(id)s"
    assert rows.one(query, id=approval_id) == missing(quorum, each, voices), (each, quorum, voices)


def test_an_approval_moves_to_another_place_where_that_lets_one_more_in() -> None:
    both, one = voice("ada", "finance", "on-call"), voice("bo", "finance")
    assert places({"finance": 1, "on-call": 1}, [both, one]) == {
        "finance": ["bo"],
        "on-call": ["ada"],
    }


def test_what_does_not_count_fills_no_place() -> None:
    gone = voice("ada", "finance", why_not="disabled")
    assert places({"finance": 1}, [gone]) == {"finance": []}
    assert missing(1, {}, [gone]) == 1
