"""The audit log, and one of its entries."""

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from ..engine.queries import get_audit_entry, list_audit
from . import views_audit
from .access import Guest, Site, visitor
from .rendering import now, page

router = APIRouter(prefix="/audit", dependencies=[Depends(visitor)], include_in_schema=False)


@router.get("")
def audit(
    site: Site,
    guest: Guest,
    run: str = "",
    cursor: str | None = None,
    entry: int | None = None,
) -> Response:
    """The log, newest first; with `entry`, that one beside the list."""
    run_id = views_audit.run_filter(run)
    with site.database.begin() as conn:
        found = list_audit(conn, tenant=site.tenant, run_id=run_id, cursor=cursor)
        opened = get_audit_entry(conn, tenant=site.tenant, seq=entry) if entry else None
    at = now()
    return page(
        "audit.html",
        site,
        guest,
        entries=[views_audit.line(row, at) for row in found.items],
        opened=views_audit.opened(opened, at) if opened else None,
        older=found.cursor,
        cursor=cursor,
        run=run,
    )
