"""The catalogue fits the code: each guard is found once, each test is there, none is forgotten."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from guards import deletions, workshop
from guards.conditions import conditions, functions
from guards.trial import Verdict

if TYPE_CHECKING:
    from pathlib import Path

EVERY = deletions.deletions()
MANY = 200


@pytest.mark.parametrize("deletion", list(deletions.written_down()), ids=lambda each: each.name)
def test_each_text_of_the_catalogue_is_in_its_file_once(deletion: deletions.Deletion) -> None:
    deletion.check(deletions.ROOT)


def test_there_are_as_many_as_there_should_be() -> None:
    assert len(list(deletions.written_down())) >= MANY
    assert all(deletion.why and deletion.tests for deletion in EVERY)


@pytest.mark.parametrize("test", sorted({t for d in EVERY for t in d.tests if t[0] != "-"}))
def test_each_test_that_should_notice_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    text = (deletions.ROOT / file).read_text("utf-8")
    assert not name or re.search(rf"^(async )?def {re.escape(name)}\(", text, re.MULTILINE)


def test_what_is_said_to_be_doubled_is_a_condition_that_is_there() -> None:
    known = {}
    for path in (deletions.ROOT / deletions.STATEMENTS).glob("*.sql"):
        known[path.stem] = path.read_text("utf-8")
    for path in sorted((deletions.ROOT / deletions.MIGRATIONS).glob("*.sql")):
        sql = path.read_text("utf-8")
        known |= {name: sql[slice(*span)] for name, span in functions(sql).items()}
    for name, condition, why in deletions.doubled():
        assert why
        assert condition in {each.text for each in conditions(known[name])}, name


def test_a_text_that_is_not_there_once_is_refused() -> None:
    edit = deletions.Edit("engine/hold.py", "row", "")
    stale = deletions.Deletion("x", "why", (edit,), ("tests",))
    with pytest.raises(deletions.Stale, match=r"is in engine/hold.py \d+ times, not once"):
        stale.check(deletions.ROOT)


STATEMENT = """
-- and this is no condition
update runs r set status = case when a = 1 and b = 2 then 'x' end
from (select id from calls c join approvals a on a.id = c.id and a.kind = 'call'
      where c.state = 'waiting' and (c.n between 1 and 3 or c.m = ' and ')) due -- nor is this
where r.id = due.id -- nor this
  and r.epoch = 1
returning r.id
"""


def test_the_conditions_of_a_statement_are_found() -> None:
    assert [each.text for each in conditions(STATEMENT)] == [
        "a.id = c.id",
        "a.kind = 'call'",
        "c.state = 'waiting'",
        "(c.n between 1 and 3 or c.m = ' and ')",
        "r.id = due.id",
        "r.epoch = 1",
    ]


def test_a_condition_is_taken_away_and_nothing_else() -> None:
    epoch = conditions(STATEMENT)[-1]
    assert epoch.removed_from(STATEMENT) == STATEMENT.replace(
        "r.epoch = 1", "(true or (r.epoch = 1))"
    )


FUNCTION = """
create or replace function f() returns trigger language plpgsql as $$
begin
    if new.a < old.a or (new.b and old.b) then
        raise exception 'no';
    end if;
    if new.c then
        perform from t where t.id = new.id and t.x is null;
    end if;
    return new;
end $$;
"""


def test_each_way_into_a_check_of_a_function_is_found_and_a_check_as_a_whole_is_not() -> None:
    body = FUNCTION[slice(*functions(FUNCTION)["f"])]
    assert [(each.within, each.text) for each in conditions(body)] == [
        ("if", "new.a < old.a"),
        ("if", "(new.b and old.b)"),
        ("where", "t.id = new.id"),
        ("where", "t.x is null"),
    ]


@pytest.mark.parametrize("ends", [True, False])
def test_tests_without_an_end_noticed_something_if_they_end_with_the_guard(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ends: bool,  # noqa: FBT001
) -> None:
    said = iter(
        [
            Verdict(noticed=True, sound=True, by="no end", ended=False),
            Verdict(noticed=not ends, sound=True, by="", ended=ends),
        ]
    )
    monkeypatch.setattr(workshop, "try_tests", lambda *_: next(said))
    shop = workshop.Workshop(tmp_path)
    monkeypatch.setattr(shop, "_deleted", lambda _: nullcontext())
    verdict = shop.without(EVERY[0])
    assert (verdict.noticed, verdict.sound) == (ends, ends)
