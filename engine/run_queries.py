"""Reading runs and their calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from .errors import NotFound
from .limits import Limits, Usage
from .outcome import read_outcome
from .paging import Page, bounded, decode, page
from .schema import approvals, calls, grants, replies, runs
from .usage_queries import Spent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection, FromClause, Row, Select


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the list shows it."""

    id: UUID
    agent: str
    status: str
    exit: str | None
    exit_reason: str | None
    requested_by: str
    input: Any
    tags: Mapping[str, str]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    limits: Limits
    usage: Usage
    spent: Spent
    pending: int
    """Approvals of this run that wait for a person."""
    fallback: str | None = None
    """The model that stands in for every other, since a breaker was tripped when it began."""
    paused_by: UUID | None = None
    """The trip of a breaker for which it does not begin."""
    wants_room: bool = False
    """It has a call that people cannot be asked about yet: too many of its agent wait."""

    def as_json(self) -> dict[str, Any]:
        """The run as the API lists it."""
        return {
            "run_id": str(self.id),
            "agent": self.agent,
            "status": self.status,
            "exit": self.exit,
            "exit_reason": self.exit_reason,
            "requested_by": self.requested_by,
            "tags": dict(self.tags),
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "cancel_requested_at": iso(self.cancel_requested_at),
            "limits": self.limits.as_json(),
            "usage": self.usage.as_json() | self.spent.as_json(),
            "pending_approvals": self.pending,
            "fallback": self.fallback,
            "paused_by": str(self.paused_by) if self.paused_by else None,
            "wants_room": self.wants_room,
        }


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call of a run, as it stands in the journal."""

    id: UUID
    run_id: UUID
    key: bytes
    """What makes it the same call when its node runs again, and after an edit."""
    revision: int
    tool: str
    tool_version: str
    args: Mapping[str, Any]
    args_bytes: bytes
    digest: bytes
    effect: str
    source: str
    rule: str
    evidence: tuple[str, ...]
    verdict: str
    policies: tuple[str, ...]
    policy_digest: str
    reason: str
    recovery: str
    state: str
    approval_id: UUID | None
    proposed_at: datetime
    starts: int
    started_at: datetime | None
    finished_at: datetime | None
    result_type: str | None
    result_bytes: bytes | None
    error: str | None
    attested_by: str | None
    verified: bool
    """Whether the tool's own look at the world said what became of it."""
    send_before: datetime | None
    """Until then it may still reach its target."""
    grant_id: UUID | None = None
    """The grant that let it start, with nobody asked."""
    granted_by: str | None = None

    @property
    def result(self) -> Any:
        """What the tool returned, or None."""
        if self.result_type is None or self.result_bytes is None:
            return None
        return read_outcome(self.result_type, self.result_bytes)

    def as_json(self) -> dict[str, Any]:
        """The call as the API gives it."""
        return {
            "call_id": str(self.id),
            "run_id": str(self.run_id),
            "revision": self.revision,
            "tool": self.tool,
            "tool_version": self.tool_version,
            "args": dict(self.args),
            "digest": self.digest.hex(),
            "effect": self.effect,
            "source": self.source,
            "rule": self.rule,
            "evidence": list(self.evidence),
            "verdict": self.verdict,
            "policies": list(self.policies),
            "policy_digest": self.policy_digest,
            "reason": self.reason,
            "recovery": self.recovery,
            "state": self.state,
            "approval_id": str(self.approval_id) if self.approval_id else None,
            "grant_id": str(self.grant_id) if self.grant_id else None,
            "granted_by": self.granted_by,
            "proposed_at": iso(self.proposed_at),
            "starts": self.starts,
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "result": presentable(self.result),
            "error": self.error,
            "attested_by": self.attested_by,
            "verified": self.verified,
            "send_before": iso(self.send_before),
        }


def iso(at: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return at.astimezone(UTC).isoformat() if at else None


def presentable(value: Any) -> Any:
    """The value itself where JSON has it, else its text: a tool may return any object."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value


def _runs(tenant: str) -> Select[Any]:
    pending = (
        sa.select(sa.func.count())
        .where(
            approvals.c.tenant_id == runs.c.tenant_id,
            approvals.c.run_id == runs.c.id,
            approvals.c.state == "pending",
        )
        .scalar_subquery()
    )
    spent = _spent()
    paused_by = sa.case(
        (
            sa.and_(runs.c.status == "queued", runs.c.epoch == 0),
            sa.func.paused_by(
                runs.c.tenant_id, runs.c.agent, runs.c.fingerprint, type_=postgresql.UUID
            ),
        )
    )
    return (
        sa.select(runs, pending.label("pending"), paused_by.label("paused_by"), *spent.c)
        .join(spent, sa.true())
        .where(runs.c.tenant_id == tenant)
    )


def _spent() -> FromClause:
    """What the replies of each run count as."""
    counts = {
        "spent_in": sa.func.coalesce(replies.c.input_tokens, replies.c.reserved_in),
        "spent_out": sa.func.coalesce(replies.c.output_tokens, replies.c.reserved_out),
        "spent_usd": sa.func.coalesce(replies.c.usd, replies.c.reserved_usd),
    }
    sums = [sa.func.coalesce(sa.func.sum(each), 0).label(name) for name, each in counts.items()]
    return (
        sa.select(*sums)
        .where(replies.c.tenant_id == runs.c.tenant_id, replies.c.run_id == runs.c.id)
        .lateral()
    )


def run_row(row: Row[Any]) -> RunRow:
    """A run from its database row."""
    return RunRow(
        id=row.id,
        agent=row.agent,
        status=row.status,
        exit=row.exit,
        exit_reason=row.exit_reason,
        requested_by=row.requested_by,
        input=row.input,
        tags=row.tags or {},
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        cancel_requested_at=row.cancel_requested_at,
        cancel_requested_by=row.cancel_requested_by,
        limits=Limits.of_row(row._asdict()),
        usage=Usage.of_row(row._asdict()),
        spent=Spent(int(row.spent_in), int(row.spent_out), row.spent_usd),
        pending=row.pending,
        fallback=row.fallback,
        paused_by=row.paused_by,
        wants_room=row.wants_room and row.status == "queued",
    )


def call_row(row: Row[Any]) -> CallRow:
    """A call from its database row."""
    return CallRow(
        id=row.id,
        run_id=row.run_id,
        key=bytes(row.key),
        revision=row.revision,
        tool=row.tool,
        tool_version=row.tool_version,
        args=json.loads(row.args),
        args_bytes=bytes(row.args),
        digest=bytes(row.digest),
        effect=row.effect,
        source=row.source,
        rule=row.rule,
        evidence=tuple(row.evidence),
        verdict=row.verdict,
        policies=tuple(row.policies),
        policy_digest=row.policy_digest,
        reason=row.reason,
        recovery=row.recovery,
        state=row.state,
        approval_id=row.approval_id,
        proposed_at=row.proposed_at,
        starts=row.starts,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result_type=row.result_type,
        result_bytes=bytes(row.result) if row.result is not None else None,
        error=row.error,
        attested_by=row.attested_by,
        verified=row.verified,
        send_before=row.send_before,
        grant_id=row.grant_id,
        granted_by=row.granted_by,
    )


def list_runs(
    conn: Connection,
    *,
    tenant: str,
    status: str | None = None,
    agent: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RunRow]:
    """Runs, newest first.

    Raises:
        InvalidCursor: the cursor is none of this list's.
        UsageError: the limit is out of range.
    """
    query = _runs(tenant).order_by(runs.c.id.desc()).limit(bounded(limit) + 1)
    if status:
        query = query.where(runs.c.status == status)
    if agent:
        query = query.where(runs.c.agent == agent)
    if cursor:
        (before,) = decode(cursor, UUID)
        query = query.where(runs.c.id < before)
    return page([run_row(row) for row in conn.execute(query)], limit, lambda run: [run.id])


def get_run_row(conn: Connection, *, tenant: str, run_id: UUID) -> tuple[RunRow, Any, str]:
    """A run, its output, and the fingerprint of the agent that runs it.

    Raises:
        NotFound: there is no such run.
    """
    row = conn.execute(_runs(tenant).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return run_row(row), row.output, row.fingerprint


def calls_of(conn: Connection, *, tenant: str, run_id: UUID) -> tuple[CallRow, ...]:
    """A run's calls, oldest first."""
    granted = sa.and_(grants.c.tenant_id == calls.c.tenant_id, grants.c.id == calls.c.grant_id)
    query = (
        sa.select(calls, grants.c.granted_by)
        .outerjoin_from(calls, grants, granted)
        .where(calls.c.tenant_id == tenant, calls.c.run_id == run_id)
        .order_by(calls.c.proposed_at, calls.c.id)
    )
    return tuple(call_row(row) for row in conn.execute(query))
