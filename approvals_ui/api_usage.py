"""The JSON API about what models cost, and the same for Prometheus."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from ..engine.metrics import CONTENT_TYPE, exposition
from ..engine.tenant_limits import today
from ..engine.usage_queries import MOST_GROUPS, Window, usage_by
from .access import Site, caller

router = APIRouter(dependencies=[Depends(caller)])
Group = Annotated[str, Query(max_length=200, description="run, agent, tenant, model or tag:NAME")]


@router.get("/api/usage", tags=["usage"])
def usage(
    site: Site,
    by: Group = "agent",
    since: datetime | None = None,
    until: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = MOST_GROUPS,
) -> dict[str, Any]:
    """What models cost, the dearest group first; the last 30 days where nothing else is said."""
    window = Window.of(since, until)
    with site.database.begin() as conn:
        items = usage_by(conn, tenant=site.tenant, by=by, window=window, limit=limit)
        total = usage_by(conn, tenant=site.tenant, by="tenant", window=window)
        day = today(conn, site.tenant)
    return {
        **window.as_json(),
        "by": by,
        "items": [row.as_json() for row in items],
        "total": total[0].as_json() if total else None,
        "today": day.as_json(),
    }


@router.get("/metrics", include_in_schema=False)
def metrics(site: Site) -> Response:
    """Figures for Prometheus, which signs in with a bearer token as every program does."""
    with site.database.begin() as conn:
        return Response(exposition(conn, tenant=site.tenant), media_type=CONTENT_TYPE)
