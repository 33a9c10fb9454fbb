"""The JSON API about circuit breakers: what tripped, and resetting it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from ..engine.trips import reset, tenant_breaker, trips
from .access import Caller, Site, caller

router = APIRouter(prefix="/api/breakers", dependencies=[Depends(caller)], tags=["breakers"])


@router.get("")
def breakers(
    site: Site,
    only_open: Annotated[bool, Query(alias="open")] = False,  # noqa: FBT002 - a query's parameter
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, Any]:
    """The newest trips, or those that are not reset; and the tenant's own breaker."""
    with site.database.begin() as conn:
        found = trips(conn, tenant=site.tenant, only_open=only_open, limit=limit)
        tenants = tenant_breaker(conn, site.tenant)
    return {
        "tenant": tenants.as_json() if tenants else None,
        "items": [trip.as_json() for trip in found],
        "cursor": None,
    }


@router.post("/{trip_id}/reset")
def reset_(site: Site, who: Caller, trip_id: UUID) -> dict[str, str]:
    """Let new runs start as before; anybody with an account may. 409: it was reset before."""
    reset(site.database, tenant=site.tenant, trip_id=trip_id, by=f"reviewer:{who.name}")
    return {"trip_id": str(trip_id), "state": "reset"}
