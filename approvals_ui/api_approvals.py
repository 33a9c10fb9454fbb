"""The JSON API about approvals. Only people's tokens and sessions reach it; no agent has one."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from ..engine import queries
from ..engine.decisions import Answer, Seen, decide
from ..engine.lifecycle import DecisionKind
from .access import Caller, Site, caller

router = APIRouter(prefix="/api/approvals", dependencies=[Depends(caller)], tags=["approvals"])


class AlsoRequest(BaseModel):
    """An approval of an identical call, with the digest that the reviewer saw."""

    model_config = ConfigDict(extra="forbid")

    approval_id: UUID
    digest: str = Field(pattern="^[0-9a-f]{64}$")


class DecisionRequest(BaseModel):
    """One reviewer's answer to the call with this digest."""

    model_config = ConfigDict(extra="forbid")

    decision: DecisionKind
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    reason: str | None = Field(default=None, max_length=4000)
    args: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    confirm: str | None = Field(default=None, max_length=200)
    also: list[AlsoRequest] = Field(default=[], max_length=100)


@router.get("")
def approvals(
    site: Site,
    status: str | None = None,
    kind: str | None = None,
    agent: str | None = None,
    tool: str | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, Any]:
    """Approvals; `status=pending` by urgency, else newest first."""
    with site.database.begin() as conn:
        return queries.list_approvals(
            conn,
            tenant=site.tenant,
            status=status,
            kind=kind,
            agent=agent,
            tool=tool,
            cursor=cursor,
            limit=limit,
        ).as_json()


@router.get("/{approval_id}")
def approval(site: Site, approval_id: UUID) -> dict[str, Any]:
    """One approval: the stored call, its digest, and the decisions so far."""
    with site.database.begin() as conn:
        return queries.get_approval(conn, tenant=site.tenant, approval_id=approval_id).as_json()


@router.post("/{approval_id}/decisions")
def decisions(
    site: Site, who: Caller, approval_id: UUID, request: DecisionRequest
) -> dict[str, Any]:
    """Record a decision. 403: not theirs to make; 409: too late, or another digest; 422: unfit.

    `also` are approvals of identical calls, out of `alike`, that get the same answer; `left` in the
    answer are those of them that were closed meanwhile, and were not touched.
    """
    decided = decide(
        site.database,
        Answer(
            tenant=site.tenant,
            approval_id=approval_id,
            reviewer=who.name,
            kind=request.decision,
            digest=request.digest,
            via="api",
            reason=request.reason,
            args=request.args,
            answer=request.answer,
            confirm=request.confirm,
            also=tuple(Seen(each.approval_id, each.digest) for each in request.also),
        ),
    )
    return decided.as_json()
