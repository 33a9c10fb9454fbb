"""No row is there twice: each primary key, tried with the very row that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack import Constraint, Guard, Index, attacks
from attacks_on_assessments import assessment
from attacks_on_breakers import TRIPS_ONCE, tenants, trip
from attacks_on_replies import asked
from attacks_on_rollbacks import allowed
from bystanders import bystanders, stored
from rows import TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from rows import Rows


def _key(table: str, *more: Guard) -> tuple[Guard, ...]:
    """The key, and what would refuse the same row in its place."""
    return (Constraint(table, f"{table}_pkey"), *more)


KEYS: dict[str, tuple[Guard, ...]] = {
    "policies": _key("policies"),
    "agents": _key("agents"),
    "workers": _key("workers"),
    "reviewers": _key("reviewers"),
    "tokens": _key("tokens", Constraint("tokens", "tokens_hash_key")),
    "sessions": _key("sessions"),
    "runs": _key("runs"),
    "calls": _key(
        "calls",
        Constraint("calls", "calls_tenant_id_run_id_key_revision_key"),
        Index("calls_one_live_revision"),
    ),
    "approvals": _key(
        "approvals",
        Constraint("approvals", "approval_binds_digest"),
        Constraint("approvals", "approval_binds_call"),
        Index("approvals_one_pending_per_call"),
    ),
    "decisions": _key("decisions", Constraint("decisions", "one_decision_per_reviewer")),
    "audit_log": _key("audit_log"),
    "steps": _key("steps"),
    "step_writes": _key("step_writes"),
    "states_before": _key("states_before"),
    "replies": _key("replies"),
    "tenant_limits": _key("tenant_limits"),
    "tenant_days": _key("tenant_days"),
    "assessments": _key("assessments", Constraint("assessments", "stated_once")),
    "tenant_breakers": _key("tenant_breakers"),
    "breaker_trips": _key("breaker_trips", TRIPS_ONCE),
    "grants": _key("grants"),
    "rollbacks": _key("rollbacks", Index("rollbacks_one_at_a_time")),
    "undos": _key(
        "undos",
        Constraint("undos", "undo_has_its_place"),
        Constraint("undos", "undo_once_a_rollback"),
    ),
}


@attacks(KEYS)
def a_row_cannot_be_there_twice(rows: Rows, table: str) -> Iterator[None]:
    which = _one_of(rows, table)
    yield
    rows.do(
        f"insert into {table} overriding system value select * from {table}"  # noqa: S608 - names
        f" where {which} limit 1"
    )


def _one_of(rows: Rows, table: str) -> str:
    """A row as it may be born, by a condition that finds it."""
    if table in _BORN:
        return f"id = '{_BORN[table](rows)}'"
    bystanders(rows)
    if table == "step_writes":
        _written(rows)
    if table == "tenant_limits":
        rows.insert(table, tenant_id=TENANT, set_by="operator:tests")
    if table == "tenant_breakers":
        tenants(rows)
    if table == "tenant_days":
        rows.insert(table, tenant_id=TENANT, day="2026-11-27")
    return "true"


def _decision(rows: Rows) -> UUID:
    """One on an approval that stays open."""
    decision_id: UUID = uuid7()
    rows.decide(rows.approval(quorum=2), id=decision_id)
    return decision_id


_BORN: dict[str, Callable[[Rows], UUID]] = {
    "runs": lambda rows: rows.run(),
    "calls": lambda rows: rows.propose().id,
    "approvals": lambda rows: rows.approval(),
    "decisions": _decision,
    "rollbacks": lambda rows: rows.rollback(),
    "undos": allowed,
    "replies": asked,
    "assessments": assessment,
    "breaker_trips": trip,
    "grants": lambda rows: rows.grant(),
}
"""Rows that have a life cycle are refused in the middle of it, whatever their key."""


def _written(rows: Rows) -> None:
    """What a task wrote."""
    run_id = rows.run()
    stored(rows, run_id)
    write = {"task_id": "t1", "idx": 0, "task_path": "", "channel": "c", "type": "null"}
    place = {"tenant_id": TENANT, "run_id": run_id, "ns": "", "step_id": "1"}
    rows.insert("step_writes", **place, **write, value=uuid7().bytes)
