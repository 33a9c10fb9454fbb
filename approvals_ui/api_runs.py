"""The JSON API about runs, tools, policies and the audit log."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from ..engine import queries
from ..engine.assessments import mark_wrong
from ..engine.calibration import calibration
from ..engine.rollback_plan import Scope
from ..engine.rollbacks import ask_rollback, plan_rollback
from ..engine.runs import create_run, request_cancel
from .access import Caller, Site, caller

router = APIRouter(prefix="/api", dependencies=[Depends(caller)], tags=["runs"])
Limit = Annotated[int, Query(ge=1, le=500)]


class RunRequest(BaseModel):
    """A run to start; the same idempotency key with the same request starts nothing new."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(min_length=1, max_length=100)
    input: Any
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)
    tags: dict[str, str] | None = None
    limits: dict[str, int | float] | None = None


@router.post("/runs", status_code=202)
def start_run(site: Site, who: Caller, request: RunRequest) -> dict[str, str]:
    """Queue a run; the answer comes after it is committed."""
    ref = create_run(
        site.database,
        tenant=site.tenant,
        agent=request.agent,
        input=request.input,
        requested_by=f"reviewer:{who.name}",
        tags=request.tags,
        idempotency_key=request.idempotency_key,
        limits=request.limits,
    )
    return {"run_id": str(ref.run_id), "status": str(ref.status)}


@router.get("/runs")
def runs(
    site: Site,
    status: str | None = None,
    agent: str | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """Runs, newest first."""
    with site.database.begin() as conn:
        return queries.list_runs(
            conn, tenant=site.tenant, status=status, agent=agent, cursor=cursor, limit=limit
        ).as_json()


@router.get("/runs/{run_id}")
def run(site: Site, run_id: UUID) -> dict[str, Any]:
    """One run with its calls, approvals, decisions and output."""
    with site.database.begin() as conn:
        return queries.get_run(conn, tenant=site.tenant, run_id=run_id).as_json()


@router.post("/runs/{run_id}/cancel")
def cancel(site: Site, who: Caller, run_id: UUID) -> dict[str, str]:
    """Cancel a run; a running one stops when its worker looks up."""
    by = f"reviewer:{who.name}"
    status = request_cancel(site.database, tenant=site.tenant, run_id=run_id, by=by)
    return {"run_id": str(run_id), "status": str(status)}


class WrongMark(BaseModel):
    """The word that what a stage stated was wrong."""

    model_config = ConfigDict(extra="forbid")

    assessment_id: UUID
    reason: str | None = Field(default=None, max_length=4000)


@router.post("/runs/{run_id}/wrong")
def wrong(site: Site, who: Caller, run_id: UUID, mark: WrongMark) -> dict[str, str]:
    """Say that what a stage stated was wrong; anybody with an account may, once for all."""
    mark_wrong(
        site.database,
        tenant=site.tenant,
        run_id=run_id,
        assessment_id=mark.assessment_id,
        by=who.name,
        reason=mark.reason,
    )
    return {"assessment_id": str(mark.assessment_id), "outcome": "wrong"}


@router.get("/calibration")
def calibrated(
    site: Site, agent: str | None = None, since: datetime | None = None
) -> dict[str, Any]:
    """What stages stated, against what became of it; without a time, of the last 90 days."""
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    with site.database.begin() as conn:
        return calibration(conn, tenant=site.tenant, agent=agent, since=since).as_json()


class RollbackRequest(BaseModel):
    """A rollback to plan, or with the plan's digest to carry out."""

    model_config = ConfigDict(extra="forbid")

    to: UUID | None = None
    skip: list[UUID] = Field(default=[], max_length=1000)
    digest: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")


@router.post("/runs/{run_id}/rollback")
def rollback(
    site: Site, who: Caller, run_id: UUID, answer: Response, request: RollbackRequest | None = None
) -> dict[str, Any]:
    """Without a digest the plan, and nothing changes. With the plan's digest it is carried out."""
    asked = request or RollbackRequest()
    scope = Scope(asked.to, frozenset(asked.skip))
    if asked.digest is None:
        with site.database.begin() as conn:
            plan = plan_rollback(conn, tenant=site.tenant, run_id=run_id, scope=scope)
        return {"plan": plan.as_json(), "digest": plan.digest.hex()}
    answer.status_code = 202
    return ask_rollback(
        site.database,
        tenant=site.tenant,
        run_id=run_id,
        digest=asked.digest,
        by=f"reviewer:{who.name}",
        scope=scope,
    ).as_json()


@router.get("/tools")
def tools(site: Site) -> dict[str, Any]:
    """Every agent's tools as their workers registered them."""
    with site.database.begin() as conn:
        return {
            "items": [tool.as_json() for tool in queries.list_tools(conn, tenant=site.tenant)],
            "cursor": None,
        }


@router.get("/policies")
def policies(site: Site) -> dict[str, Any]:
    """Every policy text that calls were judged by."""
    with site.database.begin() as conn:
        found = queries.list_policies(conn, tenant=site.tenant)
        return {"items": [policy.as_json() for policy in found], "cursor": None}


@router.get("/audit")
def audit(
    site: Site, run_id: UUID | None = None, cursor: str | None = None, limit: Limit = 50
) -> dict[str, Any]:
    """The audit log, newest first."""
    with site.database.begin() as conn:
        return queries.list_audit(
            conn, tenant=site.tenant, run_id=run_id, cursor=cursor, limit=limit
        ).as_json()
