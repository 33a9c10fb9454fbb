"""Every column is either proven immutable or named here as one that changes, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attacks_on_approvals
import attacks_on_assessments
import attacks_on_breakers
import attacks_on_calls
import attacks_on_grants
import attacks_on_replies
import attacks_on_rollbacks
import attacks_on_runs
import pytest
from attack import ATTACKS

if TYPE_CHECKING:
    import psycopg

CHANGES = {
    # the life cycle, who holds it, and how it ended
    "rollbacks": {"state", "outcome", "reason", "ended_at", "epoch", "worker_id", "claimed_at"},
    "undos": {
        *("state", "starts", "start_token", "started_at", "finished_at"),
        *("restored", "error", "attested_by"),
    },
    "calls": {
        # the life cycle, and what comes with its steps
        *("state", "approval_id", "starts", "start_token", "started_at", "finished_at"),
        # the outcome, written once
        *("result_type", "result", "error", "attested_by", "verified"),
        # what the database says of a start
        *("send_before", "key_until"),
    },
    # one more use; and its end by a person
    "grants": {"uses", "revoked_at", "revoked_by"},
    "approvals": {"state", "closed_at", "closed_by", "close_reason"},
    "breaker_trips": {"reset_at", "reset_by"},
    "assessments": {
        # stated anew by a task that runs again, until somebody said something of it
        *("confidence", "value_digest"),
        # once
        *("taken_digest", "taken_by", "wrong_at", "wrong_by", "wrong_reason"),
    },
    # forgotten once the run's state holds it; counted in its tenant's day
    "replies": {"ns", "key", "ordinal", "content", "is_folded"},
    "runs": {
        # the life cycle, and what comes with its steps
        *("status", "exit", "exit_reason", "output", "started_at", "ended_at"),
        # the queue, and who holds it
        *("want", "done", "epoch", "worker_id", "claimed_at", "not_before", "deaths", "wants_room"),
        # once, as it is claimed first
        "fallback",
        # a person's word
        *("cancel_requested_at", "cancel_requested_by", "fingerprint"),
        # what it has used
        *("used_steps", "used_calls", "used_irreversible", "used_ms"),
    },
}
PROVEN = {
    "rollbacks": attacks_on_rollbacks.what_was_confirmed_of_a_rollback_cannot_change,
    "undos": attacks_on_rollbacks.what_an_undo_is_cannot_change,
    "calls": attacks_on_calls.what_a_call_is_cannot_change,
    "grants": attacks_on_grants.what_was_granted_cannot_change,
    "approvals": attacks_on_approvals.what_is_asked_cannot_change,
    "breaker_trips": attacks_on_breakers.why_a_breaker_tripped_cannot_change,
    "assessments": attacks_on_assessments.whose_assessment_it_is_cannot_change,
    "replies": attacks_on_replies.what_a_reply_cost_cannot_change,
    "runs": attacks_on_runs.what_was_asked_of_a_run_cannot_change,
}


@pytest.mark.parametrize("table", CHANGES)
def test_each_column_is_proven_immutable_or_known_to_change(
    table: str, conn: psycopg.Connection[Any]
) -> None:
    columns = conn.execute(
        "select column_name from information_schema.columns where table_name = %s", (table,)
    ).fetchall()
    prefix = f"{PROVEN[table].__name__}-"
    proven = {a.name.removeprefix(prefix) for a in ATTACKS if a.name.startswith(prefix)}
    assert {name for (name,) in columns} == proven | CHANGES[table]
    assert not proven & CHANGES[table]
