"""Each statement of the engine finds its row by every one of its conditions, and no other row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import statements_on_accounts  # noqa: F401 - adds its cases
import statements_on_assessments  # noqa: F401
import statements_on_breakers  # noqa: F401
import statements_on_calls  # noqa: F401
import statements_on_grants  # noqa: F401
import statements_on_runs  # noqa: F401
from attacks_on_rollbacks import succeeded
from bystanders import bystanders, edited, lapsed
from interlock.engine.database import statement
from psycopg.rows import dict_row
from rows import TENANT
from statement import CASES, NOBODY, Case, found, of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from rows import Call, Rows

TRIALS = [
    pytest.param(case, state, others, finds, id=label)
    for case in CASES
    for label, state, others, finds in case.trials()
]
SEVERAL = {"list_reviewers", "list_tokens", "registered_agents"}
"""Statements that find more than one."""


@pytest.mark.parametrize(("case", "state", "others", "finds"), TRIALS)
def test_a_statement_finds_its_own_row_and_no_other(
    case: Case,
    state: str,
    others: Mapping[str, Any],
    finds: bool,  # noqa: FBT001
    rows: Rows,
) -> None:
    if finds:
        bystanders(rows)
    values = {**case.make(rows, state), **others}
    many = found(rows, case.text, values)
    assert many > 1 if finds and case.name in SEVERAL else many == int(finds)


def read(rows: Rows, name: str, call: Call) -> dict[str, Any]:
    """The one row that a statement reads of a call."""
    with rows.conn.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(statement(name), of(rows, call)).fetchall()
    return row


def test_what_is_found_of_a_call_is_its_own(rows: Rows) -> None:
    bystanders(rows)
    still_waiting = rows.held(asked={"quorum": 2})
    assert still_waiting.approval_id is not None
    rows.decide(still_waiting.approval_id, "dana", "edit")
    made = (rows.call("approved"), still_waiting, lapsed(rows), edited(rows))
    told = [read(rows, "find_call", call) for call in made]
    assert [row["is_lapsed"] for row in told] == [False, False, True, False]
    assert [row["edited_by"] for row in told] == [None, None, None, "dana"]


def test_what_became_of_an_undo_is_told_of_its_call_once_it_started(rows: Rows) -> None:
    bystanders(rows)
    call = succeeded(rows)
    undo_id = rows.undo(rows.rollback(call.run_id, "running"), call)
    assert read(rows, "rollback_calls", call)["undo_state"] is None
    rows.start_undo(undo_id)
    assert read(rows, "rollback_calls", call)["undo_state"] == "executing"


def test_duty_of_is_that_of_this_person_in_this_approval(rows: Rows) -> None:
    def duty(call: Call, **other: Any) -> Any:
        values = {**of(rows, call, reviewer="dana"), **other}
        return rows.one(statement("duty_of"), **values)

    terms = {"separation": ["requester"]}
    own = rows.held(rows.run("running", requested_by="reviewer:dana"), asked=terms)
    free = rows.held(rows.run("running", requested_by="reviewer:dana"))
    assert duty(own) == "requester"
    assert duty(free) is None
    assert duty(own, reviewer="erik") is None
    assert duty(own, tenant="another") is None


def test_count_past_calls_counts_each_once_and_those_of_the_agent_alone(rows: Rows) -> None:
    calls = [rows.call("succeeded") for _ in range(3)]
    rows.call("succeeded", run_id=rows.run("running", agent="other"))
    since = {"tenant": TENANT, "after": NOBODY, "since": datetime(2020, 1, 1, tzinfo=UTC)}

    def count(agent: str | None, **other: Any) -> Any:
        return rows.one(statement("count_past_calls"), **{**since, "agent": agent, **other})

    assert count("fleet-ops") == len(calls)
    assert count(None) == len(calls) + 1
    assert count("fleet-ops", tenant="another") == 0
    assert count("fleet-ops", after=calls[0].id) == len(calls) - 1
    assert count("fleet-ops", since=datetime(2999, 1, 1, tzinfo=UTC)) == 0


def test_rejections_in_a_row_end_with_a_decision_on_a_call_of_the_same_run_alone(
    rows: Rows,
) -> None:
    run_id = rows.run("running")
    for _ in range(2):
        rows.step(rows.held(run_id), "rejected")
    counted = statement("rejections_in_a_row")
    later = rows.one("select clock_timestamp() + interval '1 s'")

    def approve(call: Call, state: str = "approved") -> None:
        if state == "approved":
            rows.decide(call.approval_id, "dana", "answer" if call.run_id == run_id else "approve")
        rows.move("approvals", call.approval_id, state, closed_at=later, closed_by="dana")
        rows.move("calls", call.id, state)

    asked = rows.held(run_id, asked={"kind": "question"}, effect="read", recovery="again")
    approve(asked)
    approve(rows.held())
    approve(rows.held(run_id), "cancelled")
    assert rows.one(counted, tenant=TENANT, run_id=run_id) == 2


def test_rejections_in_a_row_that_were_made_together_count_once(rows: Rows) -> None:
    def pair(run_id: UUID) -> tuple[Call, Call]:
        first, second = (rows.held(run_id, asked={"together": True, "quorum": 2}) for _ in "ab")
        return first, second

    def rejections(call: Call) -> int:
        text = statement("rejections_in_a_row")
        return int(rows.one(text, tenant="default", run_id=call.run_id))

    first, second = pair(rows.run("running"))
    rows.decide(first.approval_id, "dana", "reject")
    rows.decide(second.approval_id, "dana", "reject", beside=first.approval_id)
    for call in (first, second):
        rows.close(call.approval_id, "rejected")
    assert rejections(first) == 1
    seen, other = pair(rows.run("running"))
    rows.decide(seen.approval_id, "erik")
    rows.decide(other.approval_id, "erik", beside=seen.approval_id)
    rows.decide(other.approval_id, "dana", "reject")
    rows.close(other.approval_id, "rejected")
    assert rejections(other) == 1
