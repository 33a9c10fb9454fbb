"""Calibration: how sure stages were, against what became of it."""

from datetime import timedelta

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from ..engine.calibration import calibration
from ..engine.queries import list_agents
from . import views_calibration
from .access import Guest, Site, visitor
from .rendering import now, page

router = APIRouter(dependencies=[Depends(visitor)], include_in_schema=False)


@router.get("/calibration")
def calibrated(site: Site, guest: Guest, agent: str = "", days: str = "90") -> Response:
    """Each stage of one agent or all, by bins of confidence."""
    days = days if days in views_calibration.PERIODS else "90"
    since = now() - timedelta(days=int(days))
    with site.database.begin() as conn:
        found = calibration(conn, tenant=site.tenant, agent=agent or None, since=since)
        agents = list_agents(conn, tenant=site.tenant)
    return page(
        "calibration.html",
        site,
        guest,
        stages=[views_calibration.stage(each) for each in found.stages],
        agents=agents,
        agent_filter=agent,
        periods=views_calibration.PERIODS,
        days=days,
    )
