"""Grants as their pages show them, and the form that makes one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ..engine.errors import InvalidDecision
from ..engine.grants import MOST_USES, Scope
from ..engine.lifecycle import ApprovalKind
from . import words
from .times import deadline, moment
from .views_terms import barred, may_not_approve

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from ..engine.accounts import Reviewer
    from ..engine.grant_queries import GrantRow
    from ..engine.queries import ApprovalDetail
    from .times import Deadline, Moment
    from .words import Badge

STATES = {
    "standing": words.Badge("Stands", "check"),
    "used_up": words.Badge("Used up", "check"),
    "expired": words.Badge("Over", "clock"),
    "revoked": words.Badge("Revoked", "cross"),
}
SCOPES = {
    Scope.RUN: "This run only",
    Scope.AGENT: "Every run of this agent",
    Scope.TENANT: "Every agent that has this tool",
}
TIMES = {
    "900": "15 minutes",
    "3600": "1 hour",
    "28800": "8 hours",
    "86400": "1 day",
    "604800": "7 days",
}


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One grant in the list."""

    id: UUID
    state: Badge
    tool: str
    whose: str
    bounds: str
    used: str
    granted_by: str
    made: Moment
    until: Deadline
    approval_id: UUID
    run_id: UUID | None
    reason: str
    revoked_by: str
    can_be_revoked: bool


def line(grant: GrantRow, now: datetime) -> GrantLine:
    """A grant, seen from now."""
    whose = f"agent {grant.agent}" if grant.agent else "every agent"
    return GrantLine(
        id=grant.id,
        state=STATES[grant.state],
        tool=grant.tool,
        whose=f"one run of {grant.agent}" if grant.run_id else whose,
        bounds=grant.bounds,
        used=f"{grant.uses:,} of {words.plural(grant.most, 'call')} used",
        granted_by=grant.granted_by,
        made=moment(grant.created_at, now),
        until=deadline(grant.expires_at, now),
        approval_id=grant.approval_id,
        run_id=grant.run_id,
        reason=grant.reason or "",
        revoked_by=grant.revoked_by or "",
        can_be_revoked=grant.state == "standing",
    )


def can_grant(detail: ApprovalDetail, reviewer: Reviewer, now: datetime) -> bool:
    """Whether this reviewer could approve the call alone, and with no word typed."""
    asked, terms = detail.approval, detail.approval.terms
    return (
        asked.kind == ApprovalKind.CALL
        and detail.tool is not None
        and asked.quorum == 1
        and not (terms.each or terms.confirm)
        and not barred(detail, reviewer, now)
        and not may_not_approve(detail, reviewer)
    )


def uses_of(text: str) -> int:
    """How many calls, as it was typed.

    Raises:
        InvalidDecision: that is no such number.
    """
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_USES):
        raise InvalidDecision(f"A grant is for 1 to {MOST_USES} calls.")
    return int(text)


def time_of(key: str) -> timedelta:
    """For how long, as it was chosen.

    Raises:
        InvalidDecision: that is none of the choices.
    """
    if key not in TIMES:
        raise InvalidDecision("Choose until when the grant is for.")
    return timedelta(seconds=int(key))
