"""Each forbidden state is refused by its guard, and by nothing else; no guard is left untried."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attacks_on_approvals
import attacks_on_assessments
import attacks_on_breakers
import attacks_on_calls
import attacks_on_decisions
import attacks_on_decisions_together
import attacks_on_grants
import attacks_on_keys
import attacks_on_questions
import attacks_on_replies
import attacks_on_rollbacks
import attacks_on_room
import attacks_on_runs
import attacks_on_starts
import attacks_on_terms
import attacks_on_the_record
import psycopg
import pytest
from attack import ATTACKS, Attack, Check, Constraint, Index, Trigger

if TYPE_CHECKING:
    from rows import Rows

MODULES = (
    attacks_on_approvals,
    attacks_on_assessments,
    attacks_on_breakers,
    attacks_on_calls,
    attacks_on_decisions,
    attacks_on_decisions_together,
    attacks_on_grants,
    attacks_on_replies,
    attacks_on_keys,
    attacks_on_questions,
    attacks_on_rollbacks,
    attacks_on_room,
    attacks_on_runs,
    attacks_on_starts,
    attacks_on_terms,
    attacks_on_the_record,
)
every_attack = pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
FOREIGN = "^alembic"
# They refuse nothing themselves; test_commit.py has their tests.
SILENT = {
    ("audit_log", "stamp"),
    ("audit_log", "commit_synchronously"),
    ("runs", "runs_due_by"),
    # test_room_in_the_queue.py has its tests
    ("approvals", "makes_room"),
}


@every_attack
def test_refused_by_its_guard(attack: Attack, rows: Rows) -> None:
    steps = attack.steps(rows)
    next(steps)
    rows.settle()
    with pytest.raises(psycopg.Error) as refused:  # noqa: PT012 - the attempt, up to its commit
        list(steps)
        rows.settle()
    assert attack.guards[0].refused(refused.value), refused.value


@every_attack
def test_possible_without_its_guard(attack: Attack, rows: Rows) -> None:
    steps = attack.steps(rows)
    next(steps)
    rows.without(*attack.guards)
    list(steps)
    rows.settle()


def test_each_constraint_and_unique_index_has_an_attack(conn: psycopg.Connection[Any]) -> None:
    constraints = conn.execute(
        "select c.relname, k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid"
        " where k.contype in ('c', 'f', 'p', 'u') and k.connamespace = 'public'::regnamespace"
        " and c.relname !~ %s",
        (FOREIGN,),
    ).fetchall()
    indexes = conn.execute(
        "select i.relname from pg_index x join pg_class i on i.oid = x.indexrelid"
        " join pg_class c on c.oid = x.indrelid"
        " where x.indisunique and c.relnamespace = 'public'::regnamespace"
        " and not exists (select from pg_constraint k where k.conindid = i.oid)"
        " and c.relname !~ %s",
        (FOREIGN,),
    ).fetchall()
    # these two only give a foreign key something to refer to; their first columns are the key
    targets = {("approvals", "approval_binds_digest"), ("approvals", "approval_binds_call")}
    assert set(constraints) - targets == {
        (guard.table, guard.name) for guard in _first_guards() if isinstance(guard, Constraint)
    }
    assert {name for (name,) in indexes} == {
        guard.name for guard in _first_guards() if isinstance(guard, Index)
    }


def test_each_trigger_has_an_attack(conn: psycopg.Connection[Any]) -> None:
    triggers = conn.execute(
        "select c.relname, t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid"
        " where not t.tgisinternal and t.tgname !~ '_guard$' and c.relname !~ %s",
        (FOREIGN,),
    ).fetchall()
    assert set(triggers) - SILENT == {
        (guard.table, guard.name) for guard in _first_guards() if isinstance(guard, Trigger)
    }


def test_each_check_of_a_guard_has_an_attack(conn: psycopg.Connection[Any]) -> None:
    functions = conn.execute(
        "select proname, prosrc from pg_proc where proname ~ '_guard$'"
        " and pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert {
        (name, message)
        for name, source in functions
        for message in re.findall(r"raise exception '([^']*)'", source)
    } == {(guard.function, guard.message) for guard in _first_guards() if isinstance(guard, Check)}


def _first_guards() -> list[Any]:
    return [attack.guards[0] for attack in ATTACKS]
