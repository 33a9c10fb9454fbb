"""Resetting a circuit breaker, from the banner that every page shows while one is tripped."""

from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse, Response

from ..engine.errors import Conflict
from ..engine.trips import reset
from .access import Guest, Site, visitor

router = APIRouter(dependencies=[Depends(visitor)], include_in_schema=False)


@router.post("/breakers/{trip_id}/reset")
def reset_(site: Site, guest: Guest, trip_id: UUID) -> Response:
    """Let new runs start as before; one that was reset meanwhile is as it should be."""
    with suppress(Conflict):
        by = f"reviewer:{guest.reviewer.name}"
        reset(site.database, tenant=site.tenant, trip_id=trip_id, by=by)
    return RedirectResponse("/runs", 303)
