"""Reading approvals: the queue, its history, and all that one decision needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from .answer import Seen
from .decision_queries import DecisionRow, decisions_of
from .errors import NotFound
from .paging import Page, bounded, decode, page
from .quorum import AskedTerms, Voice, asked_terms, set_apart, voices_of
from .run_queries import CallRow, RunRow, calls_of, get_run_row, iso, presentable
from .schema import agents, approvals, calls, decisions, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from ..policies.verdict import Duty

CLOSED = "closed"
"""The status that stands for every state but `pending`."""


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A request for a decision as the queue shows it."""

    id: UUID
    kind: str
    state: str
    headline: str
    reason: str
    run_id: UUID
    call_id: UUID | None
    agent: str
    tool: str | None
    effect: str | None
    policies: tuple[str, ...]
    digest: bytes
    preview: Any
    reviewers: tuple[str, ...]
    quorum: int
    terms: AskedTerms
    approved_by: tuple[str, ...]
    """Whose approval counts; of a closed one, whoever gave theirs."""
    created_at: datetime
    expires_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    close_reason: str | None
    use_within: timedelta
    """How long after its approval the call may start on it."""
    changes: tuple[Mapping[str, Any], ...]
    """Why an earlier approval of this call does not stand: `what`, `says`, `before`, `now`."""
    alike: tuple[Seen, ...] = ()
    """The open approvals of identical calls that can be decided together with this one."""

    def as_json(self) -> dict[str, Any]:
        """The approval as the API lists it."""
        return {
            "approval_id": str(self.id),
            "kind": self.kind,
            "state": self.state,
            "headline": self.headline,
            "reason": self.reason,
            "run_id": str(self.run_id),
            "call_id": str(self.call_id) if self.call_id else None,
            "agent": self.agent,
            "tool": self.tool,
            "effect": self.effect,
            "policies": list(self.policies),
            "digest": self.digest.hex(),
            "preview": presentable(self.preview),
            "reviewers": list(self.reviewers),
            "quorum": self.quorum,
            **self.terms.as_json(),
            "approved_by": list(self.approved_by),
            "created_at": iso(self.created_at),
            "expires_at": iso(self.expires_at),
            "closed_at": iso(self.closed_at),
            "closed_by": self.closed_by,
            "close_reason": self.close_reason,
            "window_seconds": int(self.use_within.total_seconds()),
            "changes": presentable([dict(change) for change in self.changes]),
            "alike": [
                {"approval_id": str(seen.approval_id), "digest": seen.digest} for seen in self.alike
            ],
        }


@dataclass(frozen=True, slots=True)
class ToolTerms:
    """What the agent's registration says of a tool."""

    description: str
    schema: Mapping[str, Any]
    undo: bool
    verify: bool


@dataclass(frozen=True, slots=True)
class ApprovalDetail:
    """Everything a decision needs: the stored call, the run it belongs to, who said what."""

    approval: ApprovalRow
    call: CallRow | None
    tool: ToolTerms | None
    run: RunRow
    calls: tuple[CallRow, ...]
    """All calls of the run, oldest first."""
    run_decisions: tuple[DecisionRow, ...]
    """All decisions about the run, oldest first."""
    successor: UUID | None
    """The approval that took this one's place: after an edit, a lapse, or a call in doubt."""
    voices: tuple[Voice, ...] = ()
    """The approvals given so far, oldest first."""
    set_apart: Mapping[str, Duty] = field(default_factory=dict)
    """The people whose approval would not count, and what they did."""

    @property
    def decisions(self) -> tuple[DecisionRow, ...]:
        """The decisions about this approval, oldest first."""
        return tuple(d for d in self.run_decisions if d.approval_id == self.approval.id)

    @property
    def predecessor(self) -> CallRow | None:
        """The revision of the call that this one took the place of: edited, or lapsed."""
        call = self.call
        if call is None or call.revision == 1:
            return None
        older = (c for c in self.calls if c.key == call.key and c.revision == call.revision - 1)
        return next(older, None)

    @property
    def next_revision(self) -> CallRow | None:
        """The revision that took this call's place, once it is judged."""
        call = self.call
        if call is None:
            return None
        newer = (c for c in self.calls if c.key == call.key and c.revision == call.revision + 1)
        return next(newer, None)

    @property
    def edit(self) -> DecisionRow | None:
        """The edit that made this call out of its predecessor."""
        before = self.predecessor
        if before is None:
            return None
        edits = (d for d in self.run_decisions if d.kind == "edit")
        return next((d for d in edits if d.approval_id == before.approval_id), None)

    def as_json(self) -> dict[str, Any]:
        """The approval as the API gives it."""
        earlier = (call for call in self.calls if self.call is None or call.id != self.call.id)
        return self.approval.as_json() | {
            "call": self.call.as_json() if self.call else None,
            "decisions": [decision.as_json() for decision in self.decisions],
            "approvals": [voice.as_json() for voice in self.voices],
            "set_apart": {person: str(duty) for person, duty in self.set_apart.items()},
            "successor_id": str(self.successor) if self.successor else None,
            "run": self.run.as_json(),
            "other_calls": [
                {
                    "call_id": str(call.id),
                    "tool": call.tool,
                    "effect": call.effect,
                    "state": call.state,
                    "proposed_at": iso(call.proposed_at),
                }
                for call in earlier
            ],
        }


def _approvals(tenant: str) -> Select[Any]:
    this: ColumnElement[Any] = sa.literal_column("approvals")
    is_used = approvals.c.state.not_in(["pending", "approved"])
    agreeing = (
        sa.select(sa.func.array_agg(sa.distinct(decisions.c.reviewer)))
        .where(
            decisions.c.tenant_id == approvals.c.tenant_id,
            decisions.c.approval_id == approvals.c.id,
            decisions.c.kind.in_(["approve", "answer"]),
            is_used | sa.func.not_counted(this, decisions.c.reviewer).is_(None),
        )
        .scalar_subquery()
    )
    no_names = sa.cast(sa.literal("{}"), ARRAY(sa.Text))
    own_call = sa.and_(
        calls.c.tenant_id == approvals.c.tenant_id, calls.c.id == approvals.c.call_id
    )
    own_run = sa.and_(runs.c.tenant_id == approvals.c.tenant_id, runs.c.id == approvals.c.run_id)
    return (
        sa.select(
            approvals,
            runs.c.agent,
            calls.c.tool,
            calls.c.effect,
            calls.c.policies,
            sa.func.coalesce(agreeing, no_names).label("approved_by"),
            sa.func.asked_groups(this).label("asked_groups"),
            sa.func.alike_to(this, type_=JSON).label("alike"),
            sa.case((is_used, 0), else_=sa.func.still_missing(this)).label("missing"),
        )
        .select_from(approvals.join(runs, own_run).outerjoin(calls, own_call))
        .where(approvals.c.tenant_id == tenant)
    )


def _approval_row(row: Row[Any]) -> ApprovalRow:
    return ApprovalRow(
        id=row.id,
        kind=row.kind,
        state=row.state,
        headline=row.headline,
        reason=row.reason,
        run_id=row.run_id,
        call_id=row.call_id,
        agent=row.agent,
        tool=row.tool,
        effect=row.effect,
        policies=tuple(row.policies or ()),
        digest=bytes(row.digest),
        preview=row.preview,
        reviewers=tuple(row.reviewers),
        quorum=row.quorum,
        terms=asked_terms(row),
        approved_by=tuple(row.approved_by),
        created_at=row.created_at,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        close_reason=row.close_reason,
        use_within=row.use_within,
        changes=tuple(row.changes or ()),
        alike=tuple(Seen(UUID(each["approval_id"]), each["digest"]) for each in row.alike),
    )


def _most_urgent_first(query: Select[Any], cursor: str | None) -> Select[Any]:
    time = sa.DateTime(timezone=True)
    unhurried = approvals.c.kind != "in_doubt"
    due = sa.func.coalesce(approvals.c.expires_at, sa.cast(sa.literal("infinity"), time))
    place = (unhurried, due, approvals.c.id)
    if cursor:
        last_unhurried, last_due, last_id = decode(cursor, bool, _due, UUID)
        after = sa.tuple_(
            sa.literal(last_unhurried), sa.cast(sa.literal(last_due, sa.Text), time), last_id
        )
        query = query.where(sa.tuple_(*place) > after)
    return query.order_by(*place)


def _due(value: str) -> str:
    return value if value == "infinity" else datetime.fromisoformat(value).isoformat()


def _newest_first(query: Select[Any], cursor: str | None) -> Select[Any]:
    if cursor:
        (before,) = decode(cursor, UUID)
        query = query.where(approvals.c.id < before)
    return query.order_by(approvals.c.id.desc())


def list_approvals(
    conn: Connection,
    *,
    tenant: str,
    status: str | None = "pending",
    kind: str | None = None,
    agent: str | None = None,
    tool: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[ApprovalRow]:
    """Approvals: pending ones by urgency (in doubt, then by deadline), others newest first.

    Raises:
        InvalidCursor: the cursor is none of this list's.
        UsageError: the limit is out of range.
    """
    query = _approvals(tenant).limit(bounded(limit) + 1)
    filters: list[tuple[str | None, ColumnElement[Any]]] = [
        (kind, approvals.c.kind),
        (agent, runs.c.agent),
        (tool, calls.c.tool),
        (None if status == CLOSED else status, approvals.c.state),
    ]
    for value, column in filters:
        if value:
            query = query.where(column == value)
    if status == CLOSED:
        query = query.where(approvals.c.state != "pending")
    by_urgency = status == "pending"
    query = (_most_urgent_first if by_urgency else _newest_first)(query, cursor)

    def place(row: ApprovalRow) -> list[Any]:
        if not by_urgency:
            return [row.id]
        return [row.kind != "in_doubt", iso(row.expires_at) or "infinity", row.id]

    return page([_approval_row(row) for row in conn.execute(query)], limit, place)


def count_pending(conn: Connection, *, tenant: str) -> int:
    """How many approvals wait for a person."""
    query = (
        sa.select(sa.func.count())
        .select_from(approvals)
        .where(approvals.c.tenant_id == tenant, approvals.c.state == "pending")
    )
    return int(conn.execute(query).scalar_one())


def get_approval_row(conn: Connection, *, tenant: str, approval_id: UUID) -> ApprovalRow:
    """One approval without its call and run.

    Raises:
        NotFound: there is no such approval.
    """
    row = conn.execute(_approvals(tenant).where(approvals.c.id == approval_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no approval {approval_id}.")
    return _approval_row(row)


def get_approval(conn: Connection, *, tenant: str, approval_id: UUID) -> ApprovalDetail:
    """One approval with the stored call, its run and the decisions so far.

    Raises:
        NotFound: there is no such approval.
    """
    row = get_approval_row(conn, tenant=tenant, approval_id=approval_id)
    run, _, fingerprint = get_run_row(conn, tenant=tenant, run_id=row.run_id)
    run_calls = calls_of(conn, tenant=tenant, run_id=row.run_id)
    call = next((call for call in run_calls if call.id == row.call_id), None)
    return ApprovalDetail(
        approval=row,
        call=call,
        tool=_tool_terms(conn, tenant, run.agent, fingerprint, call.tool) if call else None,
        run=run,
        calls=run_calls,
        run_decisions=decisions_of(conn, tenant=tenant, run_id=row.run_id),
        successor=find_successor(conn, tenant=tenant, approval_id=approval_id),
        voices=voices_of(conn, tenant=tenant, approval_id=approval_id),
        set_apart=set_apart(conn, tenant=tenant, approval_id=approval_id),
    )


def approvals_of(conn: Connection, *, tenant: str, run_id: UUID) -> tuple[ApprovalRow, ...]:
    """A run's approvals, oldest first."""
    query = _approvals(tenant).where(approvals.c.run_id == run_id).order_by(approvals.c.id)
    return tuple(_approval_row(row) for row in conn.execute(query))


def find_successor(conn: Connection, *, tenant: str, approval_id: UUID) -> UUID | None:
    """The next approval asked at the same place of the same run, if there is one."""
    this, theirs, own = approvals.alias(), calls.alias(), calls.alias()
    query = (
        sa.select(approvals.c.id)
        .join(theirs, sa.and_(theirs.c.tenant_id == approvals.c.tenant_id,
                              theirs.c.id == approvals.c.call_id))
        .join(own, sa.and_(own.c.tenant_id == theirs.c.tenant_id,
                           own.c.run_id == theirs.c.run_id, own.c.key == theirs.c.key))
        .join(this, sa.and_(this.c.tenant_id == own.c.tenant_id, this.c.call_id == own.c.id))
        .where(approvals.c.tenant_id == tenant, this.c.id == approval_id,
               approvals.c.id > this.c.id)
        .order_by(approvals.c.id)
        .limit(1)
    )  # fmt: skip
    return conn.execute(query).scalar_one_or_none()


def _tool_terms(
    conn: Connection, tenant: str, agent: str, fingerprint: str, tool: str
) -> ToolTerms | None:
    query = sa.select(agents.c.tools).where(
        agents.c.tenant_id == tenant, agents.c.name == agent, agents.c.fingerprint == fingerprint
    )
    tools = conn.execute(query).scalar_one_or_none() or {}
    terms = tools.get(tool)
    if terms is None:
        return None
    return ToolTerms(
        description=terms.get("description", ""),
        schema=terms.get("schema", {}),
        undo=bool(terms.get("undo")),
        verify=bool(terms.get("verify")),
    )
