"""Rows of every kind that no statement should find: what is looked for is something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rows import POLICY, TENANT
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from rows import Call, Rows


SHAPE = "c" * 64


def bystanders(rows: Rows) -> None:
    """A worker, agents, runs, calls, questions, undos, a session and a token of others."""
    later = rows.one("select clock_timestamp() + interval '1 h'")
    other = {"host": "there", "pid": 2, "fingerprints": ["f9"], "lease_until": later}
    rows.insert("workers", id=uuid7(), **other)
    registered(rows, "other", "f1")
    registered(rows, "fleet-ops", "f8")
    cancelled = {"cancel_requested_at": "now", "cancel_requested_by": "erik"}
    stored(rows, rows.run("waiting", **cancelled))
    rows.plan(rows.run("waiting"), kind="limit")
    doubtful = rows.call("in_doubt")
    rows.ask(doubtful, id=uuid7(), kind="in_doubt")
    for call in (doubtful, edited(rows), lapsed(rows)):
        rows.end(call.run_id)
    for _ in range(2):
        undone(rows)
    erik = {"tenant_id": TENANT, "reviewer": "erik", "expires_at": later}
    rows.insert("sessions", hash=b"e" * 32, **erik)
    rows.insert("tokens", id=uuid7(), label="ci", hash=b"e" * 32, **erik)


def registered(rows: Rows, name: str, fingerprint: str) -> None:
    """An agent that is known."""
    rows.insert(
        "agents",
        tenant_id=TENANT,
        name=name,
        fingerprint=fingerprint,
        shape=SHAPE,
        policy_digest=POLICY,
        tools='{"look": {"schema": {"type": "object"}}}',
        limits="{}",
    )


def stored(rows: Rows, run_id: object) -> None:
    """A step of a run."""
    step = {"state": b"", "channels": b"", "metadata": "{}"}
    rows.insert("steps", tenant_id=TENANT, run_id=run_id, ns="", id="1", **step)


def edited(rows: Rows) -> Call:
    """A call that Dana edited."""
    call = rows.held()
    assert call.approval_id is not None
    rows.decide(call.approval_id, "dana", "edit")
    rows.step(call, "superseded")
    return call


def lapsed(rows: Rows) -> Call:
    """A call whose approval lapsed."""
    call = rows.call("approved")
    rows.lapse(call)
    return call


def undone(rows: Rows) -> Call:
    """A call that was undone, from a state that was kept."""
    call = rows.call("undone")
    before = {"run_id": call.run_id, "call_id": call.id, "digest": b"d"}
    rows.insert("states_before", tenant_id=TENANT, **before)
    query = "select rollback_id from undos where call_id = %(id)s"
    rollback_id = rows.one(query, id=call.id)
    rows.move("rollbacks", rollback_id, "ended", outcome="undone", worker_id=None)
    return call
