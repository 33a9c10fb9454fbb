"""Which columns may be empty: a `not null` that goes missing is noticed here."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

FOREIGN = "^alembic"
NULLABLE = {
    "agents": "shape most_pending fallback",
    "approvals": "call_id preview expires_at closed_at closed_by close_reason changes confirm",
    "assessments": "taken_digest taken_by wrong_at wrong_by wrong_reason",
    "audit_log": "run_id call_id approval_id subject state",
    "breaker_trips": "agent model resets_at reset_at reset_by",
    "calls": "tool_call_id approval_id start_token started_at finished_at result_type result error"
    " attested_by fingerprint key_life send_before key_until grant_id context",
    "decisions": "reason args answer confirmed beside",
    "grants": "agent run_id reason revoked_at revoked_by",
    "replies": "model provider input_tokens output_tokens cache_read_tokens cache_write_tokens"
    " reasoning_tokens ns key ordinal content usd price",
    "reviewers": "disabled_at",
    "rollbacks": "approval_id outcome reason ended_at worker_id claimed_at",
    "runs": "exit exit_reason output idempotency_key started_at ended_at worker_id claimed_at"
    " cancel_requested_at cancel_requested_by fallback",
    "steps": "parent_id writes",
    "tenant_breakers": "reset_seconds",
    "tenant_limits": "usd_per_day irreversible_per_day",
    "tokens": "expires_at revoked_at",
    "undos": "start_token started_at finished_at restored error attested_by",
}


def test_no_other_column_may_be_empty(conn: psycopg.Connection[Any]) -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for table, column in conn.execute(
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0"
        " and not a.attisdropped and not a.attnotnull and c.relname !~ %s"
        " order by c.relname, a.attnum",
        (FOREIGN,),
    ):
        found[table].append(column)
    assert {table: " ".join(columns) for table, columns in found.items()} == NULLABLE
