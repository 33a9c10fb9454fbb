"""The database has the life cycles of engine/lifecycle.py: the same states and the same steps."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from interlock.engine import lifecycle
from interlock.engine.lifecycle import (
    ApprovalKind,
    ApprovalState,
    CallState,
    DecisionKind,
    Exit,
    RunStatus,
)
from rows import APPROVAL_STATES, CALL_STATES, RUN_STATES, Call, Rows
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum
    from uuid import UUID

TABLES: dict[str, Mapping[Any, frozenset[Any]]] = {
    "call": lifecycle.CALL,
    "approval": lifecycle.APPROVAL,
    "run": lifecycle.RUN,
    "rollback": lifecycle.ROLLBACK,
}


HAS_RESULT = ("succeeded", "undoing", "undone", "undo_failed")


def pairs(steps: Mapping[Any, frozenset[Any]]) -> set[tuple[str, str]]:
    return {(str(old), str(new)) for old, onward in steps.items() for new in onward}


@pytest.mark.parametrize("what", TABLES)
def test_the_function_has_exactly_the_steps_of_the_table(
    what: str, conn: psycopg.Connection[Any]
) -> None:
    states = [str(state) for state in TABLES[what]]
    found = conn.execute(
        "select old, new from unnest(%s::text[]) old, unnest(%s::text[]) new"
        " where lifecycle(%s, old, new)",
        (states, states, what),
    ).fetchall()
    assert set(found) == pairs(TABLES[what])


def test_the_function_has_no_step_of_anything_else(conn: psycopg.Connection[Any]) -> None:
    states = sorted({str(state) for steps in TABLES.values() for state in steps} | {"", "other"})
    found = conn.execute(
        "select what, old, new from unnest(%s::text[]) what, unnest(%s::text[]) old,"
        " unnest(%s::text[]) new where lifecycle(what, old, new)",
        ([*TABLES, "grant", "", "calls"], states, states),
    ).fetchall()
    assert len(found) == sum(len(pairs(steps)) for steps in TABLES.values())


def test_the_rows_of_these_tests_cover_every_state() -> None:
    assert {*CALL_STATES, "proposed"} == set(map(str, CallState))
    assert set(APPROVAL_STATES) == set(map(str, ApprovalState))
    assert set(RUN_STATES) == set(map(str, RunStatus))


def refused_as_a_step(rows: Rows, table: str, row_id: UUID, state: str) -> bool:
    """Whether the life cycle, and not anything else, refuses this change of state."""
    column = "status" if table == "runs" else "state"
    try:
        with rows.conn.transaction(force_rollback=True):
            rows.change(table, row_id, **{column: state})
    except psycopg.Error as error:
        return error.sqlstate == "IL001"
    return False


@pytest.mark.parametrize("old", CALL_STATES)
def test_a_call_takes_the_steps_of_its_life_cycle_and_no_other(old: str, rows: Rows) -> None:
    call = rows.call(old)
    for new in map(str, CallState):
        legal = new == old or (old, new) in pairs(lifecycle.CALL)
        assert refused_as_a_step(rows, "calls", call.id, new) is not legal, new


@pytest.mark.parametrize("old", APPROVAL_STATES)
def test_an_approval_takes_the_steps_of_its_life_cycle_and_no_other(old: str, rows: Rows) -> None:
    approval_id = rows.approval(old)
    for new in map(str, ApprovalState):
        legal = new == old or (old, new) in pairs(lifecycle.APPROVAL)
        assert refused_as_a_step(rows, "approvals", approval_id, new) is not legal, new


@pytest.mark.parametrize("old", RUN_STATES)
def test_a_run_takes_the_steps_of_its_life_cycle_and_no_other(old: str, rows: Rows) -> None:
    run_id = rows.run(old)
    for new in map(str, RunStatus):
        legal = new == old or (old, new) in pairs(lifecycle.RUN)
        assert refused_as_a_step(rows, "runs", run_id, new) is not legal, new


@pytest.mark.parametrize("state", CallState)
def test_a_call_is_born_only_in_the_states_that_follow_proposed(
    state: CallState, rows: Rows
) -> None:
    try:
        rows.propose(state=state)
    except psycopg.Error as error:
        refused = error.sqlstate == "IL001"
    else:
        refused = False
    assert refused is (state not in lifecycle.CALL_BORN)


@pytest.mark.parametrize("verdict", ["allow", "review"])
@pytest.mark.parametrize("effect", ["read", "reversible", "irreversible"])
@pytest.mark.parametrize("state", sorted(lifecycle.CALL_STARTED))
def test_what_runs_by_itself_is_born_started_and_nothing_else(
    state: CallState, effect: str, verdict: str, rows: Rows
) -> None:
    more = {"result_type": "json", "result": b"1"} if state in HAS_RESULT else {}
    if verdict == "review":
        more["approval_id"] = uuid7()
    legal = verdict == "allow" and effect in lifecycle.CALL_BORN_STARTED.get(state, ())
    refused = None if legal else pytest.raises(psycopg.Error)
    with refused or nullcontext():
        rows.propose(state=state, effect=effect, verdict=verdict, starts=1, **more)


def test_a_superseded_call_can_be_followed_by_a_revision(rows: Rows) -> None:
    first = rows.call("superseded")
    second = rows.held(first.run_id, key=first.key, revision=2)
    rows.settle()
    assert second.digest == first.digest


def test_a_call_whose_approval_lapsed_waits_for_another(rows: Rows) -> None:
    call = rows.call("approved")
    assert call.approval_id is not None
    rows.settle()
    rows.move("approvals", call.approval_id, "lapsed")
    again = Call(call.id, call.run_id, call.key, call.digest, uuid7())
    rows.move("calls", call.id, "waiting", approval_id=again.approval_id)
    rows.ask(again)
    rows.settle()
    rows.step(again, "approved")
    rows.step(again, "executing")
    rows.settle()


@pytest.mark.parametrize(("effect", "recovery"), [("read", "again"), ("reversible", "same_key")])
def test_a_call_that_may_be_repeated_starts_again(effect: str, recovery: str, rows: Rows) -> None:
    call = rows.propose(effect=effect, recovery=recovery)
    rows.start(call)
    rows.start(call)
    rows.settle()
    assert rows.one("select starts from calls where id = %(id)s", id=call.id) == 2


def test_a_doubt_is_settled_in_the_name_of_who_answered(rows: Rows) -> None:
    call = rows.call("in_doubt", send_within="0.001 s")
    asked = rows.ask(call, id=uuid7(), kind="in_doubt")
    rows.decide(asked, "erik", "answer")
    rows.close(asked, "approved")
    rows.move("calls", call.id, "failed", error="it did not happen", attested_by="erik")
    rows.settle()


def test_two_of_two_reviewers_approve(rows: Rows) -> None:
    call = rows.held(asked={"quorum": 2})
    assert call.approval_id is not None
    rows.decide(call.approval_id, "erik")
    rows.step(call, "approved")
    rows.settle()


CHECKS: dict[tuple[str, str], type[StrEnum]] = {
    ("calls", "calls_state_check"): CallState,
    ("approvals", "approvals_state_check"): ApprovalState,
    ("approvals", "approvals_kind_check"): ApprovalKind,
    ("runs", "runs_status_check"): RunStatus,
    ("runs", "runs_exit_check"): Exit,
    ("decisions", "decisions_kind_check"): DecisionKind,
}


@pytest.mark.parametrize(("table", "name"), CHECKS)
def test_the_columns_take_exactly_the_words_of_the_code(
    table: str, name: str, conn: psycopg.Connection[Any]
) -> None:
    assert _words(conn, table, name) == set(map(str, CHECKS[table, name]))


def test_both_know_which_states_only_a_started_call_has(conn: psycopg.Connection[Any]) -> None:
    started = _words(conn, "calls", "started_was_counted")
    assert started == set(map(str, lifecycle.CALL_STARTED))


def _words(conn: psycopg.Connection[Any], table: str, name: str) -> set[str]:
    row = conn.execute(
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid = %s::regclass and conname = %s",
        (table, name),
    ).fetchone()
    assert row is not None
    return set(re.findall(r"'(\w+)'::text", row[0]))
