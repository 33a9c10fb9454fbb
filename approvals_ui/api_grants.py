"""The JSON API about grants. Only people's tokens and sessions reach it; no agent has one."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from ..engine.grant_queries import list_grants
from ..engine.grants import LONGEST, MOST_USES, GrantRequest, Scope, grant, revoke
from .access import Caller, Site, caller

router = APIRouter(prefix="/api/grants", dependencies=[Depends(caller)], tags=["grants"])


class NewGrant(BaseModel):
    """What is granted from the approval of a call with this digest."""

    model_config = ConfigDict(extra="forbid")

    approval_id: UUID
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    bounds: str = Field(max_length=4000)
    uses: int = Field(ge=1, le=MOST_USES)
    expires_seconds: int = Field(ge=1, le=int(LONGEST.total_seconds()))
    scope: Scope = Scope.RUN
    reason: str | None = Field(default=None, max_length=4000)


@router.get("")
def grants(
    site: Site, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> dict[str, Any]:
    """Grants, newest first."""
    with site.database.begin() as conn:
        return list_grants(conn, tenant=site.tenant, cursor=cursor, limit=limit).as_json()


@router.post("", status_code=201)
def create(site: Site, who: Caller, request: NewGrant) -> dict[str, Any]:
    """Grant calls like the one asked about. 403: not theirs to; 409: too late; 422: unfit."""
    made = grant(
        site.database,
        GrantRequest(
            tenant=site.tenant,
            approval_id=request.approval_id,
            reviewer=who.name,
            digest=request.digest,
            bounds=request.bounds,
            uses=request.uses,
            lasts=timedelta(seconds=request.expires_seconds),
            scope=request.scope,
            via="api",
            reason=request.reason,
        ),
    )
    return {
        "grant_id": str(made.id),
        "expires_at": made.expires_at.isoformat(),
        "unbounded": list(made.open),
    }


@router.post("/{grant_id}/revoke")
def revoked(site: Site, who: Caller, grant_id: UUID) -> dict[str, Any]:
    """Let nothing start on it any more; anybody with an account may."""
    revoke(site.database, tenant=site.tenant, grant_id=grant_id, by=who.name)
    return {"grant_id": str(grant_id), "state": "revoked"}
