"""What models cost: by agent, model and run."""

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from ..engine.tenant_limits import today
from ..engine.usage_queries import Window, usage_by
from . import views_cost
from .access import Guest, Site, visitor
from .rendering import now, page

router = APIRouter(dependencies=[Depends(visitor)], include_in_schema=False)


@router.get("/cost")
def cost(site: Site, guest: Guest, by: str = "agent", days: str = "30") -> Response:
    """The dearest groups first."""
    by = by if by in views_cost.GROUPS else "agent"
    at = now()
    window = Window(at - views_cost.length(days), at)
    with site.database.begin() as conn:
        rows = usage_by(conn, tenant=site.tenant, by=by, window=window)
        total = usage_by(conn, tenant=site.tenant, by="tenant", window=window)
        day = today(conn, site.tenant)
    return page(
        "cost.html",
        site,
        guest,
        view=views_cost.view(rows, total, day, by=by),
        by=by,
        days=days,
        groups=views_cost.GROUPS,
        lengths=views_cost.DAYS,
    )
