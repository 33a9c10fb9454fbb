"""Making and revoking grants: a person lets calls like the one that they are shown run unasked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from ..policies.bounds import Bounds, exact_bounds
from ..policies.errors import PolicyError
from ..policies.evaluator import ToolShape
from .answer import Answer
from .audit import record
from .database import execute, first_line
from .decisions import check_open, is_refusal
from .entitlement import check_approval, check_reviewer
from .errors import InvalidDecision, NotAReviewer, NotFound, NotTaken
from .lifecycle import ApprovalKind, DecisionKind

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection, Row

    from .database import Database

MOST_USES = 1000
LONGEST = timedelta(days=30)


class Scope(StrEnum):
    """Whose calls a grant covers."""

    RUN = "run"
    AGENT = "agent"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What one reviewer grants, from the approval of a call like those that it is for.

    Attributes:
        digest: of the call that the reviewer saw, in hex.
        bounds: a Cedar condition over `context.input`.
        uses: how many calls it lets start.
        lasts: until when, from now on.
    """

    tenant: str
    approval_id: UUID
    reviewer: str
    digest: str
    bounds: str
    uses: int
    lasts: timedelta
    scope: Scope
    via: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant that is committed; `open` are the arguments that its bounds say nothing of."""

    id: UUID
    expires_at: datetime
    open: tuple[str, ...]


def grant(db: Database, asked: GrantRequest) -> Granted:
    """Record a grant. It decides nothing about the approval that it is made from.

    Raises:
        NotFound: there is no such approval.
        NotAReviewer: the reviewer could not approve this call, or not alone.
        AlreadyDecided: the approval is no longer open.
        StaleDigest: the reviewer saw another call than the one that is stored.
        InvalidDecision: the bounds, the number, the time or the reason do not fit.
        NotTaken: the database refused it.
    """
    try:
        return db.retry(lambda conn: _grant(conn, asked), patience=5.0)
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        raise NotTaken(f"Nothing was granted: {first_line(error)}.") from error


def proposed_bounds(conn: Connection, *, tenant: str, approval_id: UUID) -> str | None:
    """Bounds that hold calls to the arguments of the one that is asked about.

    None where no grant can be made from this approval.
    """
    basis = _basis(conn, tenant, approval_id)
    if _why_not(basis):
        return None
    return exact_bounds(json.loads(bytes(basis.args)), ToolShape(basis.tool, basis.schema))


def revoke(db: Database, *, tenant: str, grant_id: UUID, by: str) -> None:
    """Let nothing start on a grant any more; anybody with an account may. Twice is as good as once.

    Raises:
        NotFound: there is no such grant.
        NotAReviewer: there is no such account, or it is disabled.
    """
    db.retry(lambda conn: _revoke(conn, tenant, grant_id, by), patience=5.0)


def _grant(conn: Connection, asked: GrantRequest) -> Granted:
    where = {"tenant": asked.tenant, "approval_id": asked.approval_id}
    basis = _basis(conn, asked.tenant, asked.approval_id)
    approval = execute(conn, "lock_approval", **where).one()
    answer = Answer(
        tenant=asked.tenant,
        approval_id=asked.approval_id,
        reviewer=asked.reviewer,
        kind=DecisionKind.APPROVE,
        digest=asked.digest,
        via=asked.via,
        reason=asked.reason,
    )
    check_reviewer(conn, answer, approval)
    check_open(answer, approval, None)
    if why_not := _why_not(basis):
        raise NotAReviewer(f"{why_not} Nothing was recorded.")
    check_approval(conn, answer, approval)
    bounds = _bounds(asked, basis)
    grant_id: UUID = uuid7()
    expires_at: datetime = execute(
        conn,
        "insert_grant",
        **where,
        id=grant_id,
        digest=bytes(approval.digest),
        tool=basis.tool,
        tool_version=basis.tool_version,
        effect=basis.effect,
        agent=None if asked.scope is Scope.TENANT else basis.agent,
        run_id=approval.run_id if asked.scope is Scope.RUN else None,
        bounds=asked.bounds,
        most=asked.uses,
        reason=asked.reason,
        by=asked.reviewer,
        seconds=asked.lasts.total_seconds(),
    ).scalar_one()
    _note(conn, asked, approval, basis, grant_id, expires_at)
    return Granted(grant_id, expires_at, bounds.open)


def _basis(conn: Connection, tenant: str, approval_id: UUID) -> Row[Any]:
    found = execute(conn, "grant_basis", tenant=tenant, approval_id=approval_id).one_or_none()
    if found is None:
        raise NotFound(f"There is no approval {approval_id}.")
    return found


def _why_not(basis: Row[Any]) -> str:
    """Why nothing can be granted from an approval, whoever asks."""
    if basis.kind != ApprovalKind.CALL:
        return "Only calls that wait for an approval can be granted."
    if basis.typed:
        return "A call that is confirmed by typing is decided one by one."
    if basis.quorum > 1 or basis.is_divided:
        return "A call that takes several people is decided one by one."
    return "" if basis.schema is not None else f"The arguments of {basis.tool} are not known here."


def _bounds(asked: GrantRequest, basis: Row[Any]) -> Bounds:
    if not 1 <= asked.uses <= MOST_USES:
        raise InvalidDecision(f"A grant is for 1 to {MOST_USES} calls. Nothing was granted.")
    if not timedelta() < asked.lasts <= LONGEST:
        raise InvalidDecision(f"A grant ends within {LONGEST.days} days. Nothing was granted.")
    try:
        return Bounds(asked.bounds, ToolShape(basis.tool, basis.schema))
    except PolicyError as error:
        why = f"These bounds cannot be used. {error}"
        raise InvalidDecision(f"{why}\nNothing was granted.") from None


def _note(
    conn: Connection,
    asked: GrantRequest,
    approval: Row[Any],
    basis: Row[Any],
    grant_id: UUID,
    expires_at: datetime,
) -> None:
    record(
        conn,
        tenant=asked.tenant,
        event="grant.made",
        actor=f"reviewer:{asked.reviewer}",
        run_id=approval.run_id,
        call_id=approval.call_id,
        approval_id=approval.id,
        subject=grant_id,
        state="granted",
        detail={
            "grant": str(grant_id),
            "tool": basis.tool,
            "tool_version": basis.tool_version,
            "effect": basis.effect,
            "scope": asked.scope,
            "bounds": asked.bounds,
            "uses": asked.uses,
            "until": expires_at.isoformat(),
            "reason": asked.reason,
            "via": asked.via,
        },
    )


def _revoke(conn: Connection, tenant: str, grant_id: UUID, by: str) -> None:
    if execute(conn, "reviewer_groups", tenant=tenant, reviewer=by).one_or_none() is None:
        raise NotAReviewer(f"There is no active account '{by}'. Nothing was revoked.")
    where = {"tenant": tenant, "grant_id": grant_id}
    if execute(conn, "revoke_grant", **where, by=by).rowcount == 0:
        if execute(conn, "grant_is_revoked", **where).scalar_one_or_none() is None:
            raise NotFound(f"There is no grant {grant_id}.")
        return
    record(
        conn,
        tenant=tenant,
        event="grant.revoked",
        actor=f"reviewer:{by}",
        subject=grant_id,
        state="revoked",
        detail={"grant": str(grant_id)},
    )
