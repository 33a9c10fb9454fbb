"""Single rows as the engine writes them: a call, a step of a life cycle, an audit entry."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from interlock.engine import audit
from interlock.engine.digest import call_digest, canonical
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

TENANT = "default"
VERSION = "0123456789abcdef"
POLICY = (
    '@id("irreversible-needs-a-person")\n@outcome("review")\npermit (principal, action, resource);'
)
POLICY_DIGEST = sha256(POLICY.encode()).hexdigest()


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema of arguments, all required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TOOLS: dict[str, dict[str, Any]] = {
    "delete_volume": {
        "description": "Delete a storage volume together with its backups.",
        "effect": "irreversible",
        "schema": object_schema(
            volume_id={"type": "string"},
            region={"type": "string", "enum": ["eu-west-1", "eu-north-1"]},
            include_backups={"type": "boolean"},
            reason={"type": "string"},
            owner_tag={"type": "string"},
        ),
    },
    "refund_booking": {
        "description": "Pay money back to a customer.",
        "effect": "irreversible",
        "schema": object_schema(
            booking_id={"type": "string"},
            amount_cents={"type": "integer"},
            lines={"type": "array", "items": {"type": "object"}},
        ),
    },
    "move_booking": {
        "description": "Give a booking another vehicle.",
        "effect": "reversible",
        "schema": object_schema(booking_id={"type": "string"}, vehicle={"type": "integer"}),
    },
    "list_volumes": {
        "description": "List the storage volumes of a region.",
        "effect": "read",
        "schema": object_schema(region={"type": "string"}),
    },
}


VOLUME: dict[str, Any] = {
    "volume_id": "vol-prod-7",
    "region": "eu-west-1",
    "include_backups": True,
    "reason": "Left over from the Harbour depot pilot.",
    "owner_tag": "fleet-archive",
}
FIGURES = {
    "Customer records": 1206,
    "Backups": 14,
    "Data": "3.2 GB",
    "Last backup elsewhere": "None",
}


def insert_call(
    conn: sa.Connection,
    run_id: UUID,
    tool: str,
    args: Mapping[str, Any],
    effect: str,
    *,
    verdict: str,
    state: str,
    at: datetime,
    approval_id: UUID | None = None,
    grant_id: UUID | None = None,
    revises: UUID | None = None,
    reason: str = "Reads pass.",
    send_within: timedelta = timedelta(minutes=1),
    version: str = VERSION,
) -> tuple[UUID, bytes]:
    """Put a call into the journal; `revises` names the call whose next revision it is."""
    call_id, data = uuid7(), canonical(dict(args))
    key, revision = sha256(call_id.bytes).digest(), 1
    if revises:
        key, revision = conn.execute(
            sa.text("select key, revision + 1 from calls where id = :id"),
            {"id": revises},
        ).one()
    digest = call_digest(run_id=run_id, key=bytes(key), tool=tool, tool_version=version, args=data)
    run_sql(
        conn,
        "insert into calls (tenant_id, id, run_id, key, revision, ns, task_id, tool,"
        " tool_version, args, digest, effect, source, rule, evidence, verdict, policy_digest,"
        " policies, reason, recovery, state, approval_id, grant_id, proposed_at, send_within)"
        " values (:tenant, :id,"
        " :run, :key, :revision, '', 't1', :tool, :version, :args, :digest, :effect,"
        " 'declared', :rule, :evidence, :verdict, :policy, :policies, :reason, 'ask', :state,"
        " :approval, :grant, :at, :send_within)",
        tenant=TENANT,
        id=call_id,
        run=run_id,
        key=key,
        revision=revision,
        tool=tool,
        version=version,
        args=data,
        digest=digest,
        effect=effect,
        rule="@tool(effect=...)",
        evidence=json.dumps([f"effect={effect}"]),
        verdict=verdict,
        policy=POLICY_DIGEST,
        policies=["irreversible-needs-a-person"],
        reason=reason,
        state=state,
        approval=approval_id,
        grant=grant_id,
        at=at,
        send_within=send_within,
    )
    return call_id, digest


def step(
    conn: sa.Connection,
    table: str,
    row_id: UUID,
    state: str,
    more: str = "",
    **values: Any,
) -> None:
    """Move a row on; `more` sets further columns."""
    assignments = f"state = :state{', ' if more else ''}{more}"
    statement = f"update {table} set {assignments} where id = :id"  # noqa: S608 - made here
    run_sql(conn, statement, id=row_id, state=state, **values)


def log_entry(
    conn: sa.Connection,
    event: str,
    actor: str,
    run_id: UUID | None = None,
    call_id: UUID | None = None,
    approval_id: UUID | None = None,
    *,
    run_state: str | None = None,
    call_state: str | None = None,
    approval_state: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record an entry; the state that is given says which of the three rows moved."""
    subject = run_id if run_state else call_id if call_state else approval_id
    audit.record(
        conn,
        tenant=TENANT,
        event=event,
        actor=actor,
        run_id=run_id,
        call_id=call_id,
        approval_id=approval_id,
        subject=subject,
        state=run_state or call_state or approval_state,
        detail=detail,
    )


def run_sql(conn: sa.Connection, statement: str, **values: Any) -> sa.CursorResult[Any]:
    """Run one statement with named values; its result."""
    return conn.execute(sa.text(statement), values)
