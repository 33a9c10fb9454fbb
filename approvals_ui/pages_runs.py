"""Runs: the list, one run, and cancelling it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..engine.assessments import mark_wrong
from ..engine.errors import Conflict
from ..engine.queries import get_run, list_agents, list_runs
from ..engine.runs import request_cancel
from . import views_run
from .access import Guest, Site, Web, visitor
from .rendering import fingerprint, now, page, render

router = APIRouter(prefix="/runs", dependencies=[Depends(visitor)], include_in_schema=False)


@router.get("")
def runs(
    site: Site, guest: Guest, status: str = "", agent: str = "", cursor: str | None = None
) -> Response:
    """Every run, newest first."""
    with site.database.begin() as conn:
        found = list_runs(
            conn, tenant=site.tenant, status=status or None, agent=agent or None, cursor=cursor
        )
        agents = list_agents(conn, tenant=site.tenant)
    at = now()
    return page(
        "runs.html",
        site,
        guest,
        runs=[views_run.line(run, at) for run in found.items],
        older=found.cursor,
        is_first=cursor is None,
        agents=agents,
        statuses=views_run.STATUSES,
        status_filter=status,
        agent_filter=agent,
    )


@router.get("/{run_id}")
def run(site: Site, guest: Guest, run_id: UUID) -> Response:
    """One run: limits, history, what was asked and what came out."""
    return page("run.html", site, guest, **_seen(_view(site, run_id)))


@router.get("/{run_id}/live")
def live(site: Site, guest: Guest, run_id: UUID, seen: str = "") -> Response:
    """The run alone, for the page that is already open; nothing when it has seen this."""
    found = _seen(_view(site, run_id))
    if found["seen"] == seen:
        return Response(status_code=204)
    return HTMLResponse(render("run_body.html", visitor=guest, **found))


@router.post("/{run_id}/cancel")
def cancel(site: Site, guest: Guest, run_id: UUID) -> Response:
    """Cancel the run; one that ended meanwhile shows that it did."""
    by = f"reviewer:{guest.reviewer.name}"
    try:
        request_cancel(site.database, tenant=site.tenant, run_id=run_id, by=by)
    except Conflict:
        found = _seen(_view(site, run_id))
        return page("run.html", site, guest, status=409, too_late=True, **found)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/{run_id}/wrong")
def wrong(
    site: Site,
    guest: Guest,
    run_id: UUID,
    assessment: Annotated[UUID, Form()],
    note: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Record that what a stage stated was wrong; where somebody said so before, it shows who."""
    try:
        mark_wrong(
            site.database,
            tenant=site.tenant,
            run_id=run_id,
            assessment_id=assessment,
            by=guest.reviewer.name,
            reason=note.strip() or None,
        )
    except Conflict as error:
        found = _seen(_view(site, run_id))
        return page("run.html", site, guest, status=409, said_before=str(error), **found)
    return RedirectResponse(f"/runs/{run_id}#stated", 303)


def _view(site: Web, run_id: UUID) -> views_run.RunView:
    with site.database.begin() as conn:
        detail = get_run(conn, tenant=site.tenant, run_id=run_id)
    return views_run.view(detail, now())


def _seen(view: views_run.RunView) -> dict[str, Any]:
    return {"view": view, "seen": fingerprint(repr(view))}
