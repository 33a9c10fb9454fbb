"""Grants: the list, making one from an approval, and revoking one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict

from ..engine.errors import Conflict, DecisionRefused
from ..engine.grant_queries import list_grants
from ..engine.grants import MOST_USES, GrantRequest, Scope, grant, proposed_bounds, revoke
from ..engine.queries import get_approval
from . import views_approval, views_grant
from .access import Guest, Site, Visitor, Web, visitor
from .notices import Notice, refused
from .refusals import status_of
from .rendering import now, page

router = APIRouter(dependencies=[Depends(visitor)], include_in_schema=False)
LONGEST_BOUNDS = 4000


class GrantForm(BaseModel):
    """The fields of the form, as sent; a field that no page sends is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    csrf: str = ""
    digest: str = ""
    bounds: str = ""
    uses: str = "5"
    lasts: str = "3600"
    scope: Scope = Scope.RUN
    note: str = ""


@router.get("/grants")
def grants(site: Site, guest: Guest, cursor: str | None = None) -> Response:
    """What may start with nobody asked, and what might have, newest first."""
    with site.database.begin() as conn:
        found = list_grants(conn, tenant=site.tenant, cursor=cursor)
    at = now()
    return page(
        "grants.html",
        site,
        guest,
        grants=[views_grant.line(row, at) for row in found.items],
        older=found.cursor,
        is_first=cursor is None,
    )


@router.post("/grants/{grant_id}/revoke")
def revoked(site: Site, guest: Guest, grant_id: UUID) -> Response:
    """Let nothing start on it any more."""
    revoke(site.database, tenant=site.tenant, grant_id=grant_id, by=guest.reviewer.name)
    return RedirectResponse("/grants", 303)


@router.get("/approvals/{approval_id}/grant")
def form(site: Site, guest: Guest, approval_id: UUID) -> Response:
    """The form, with bounds that hold calls to the arguments of this one."""
    with site.database.begin() as conn:
        bounds = proposed_bounds(conn, tenant=site.tenant, approval_id=approval_id)
    view = _view(site, guest, approval_id)
    if bounds is None or view.decision is None or not view.decision.can_grant:
        return RedirectResponse(f"/approvals/{approval_id}", 303)
    return _show(site, guest, view, GrantForm(bounds=bounds))


@router.post("/approvals/{approval_id}/grant")
def make(
    site: Site, guest: Guest, approval_id: UUID, sent: Annotated[GrantForm, Form()]
) -> Response:
    """Record the grant, or say on the same page why it was not recorded."""
    try:
        grant(
            site.database,
            GrantRequest(
                tenant=site.tenant,
                approval_id=approval_id,
                reviewer=guest.reviewer.name,
                digest=sent.digest,
                bounds=sent.bounds[:LONGEST_BOUNDS].replace("\r\n", "\n"),
                uses=views_grant.uses_of(sent.uses.strip()),
                lasts=views_grant.time_of(sent.lasts),
                scope=sent.scope,
                via="ui",
                reason=sent.note.strip() or None,
            ),
        )
    except DecisionRefused as error:
        view = _view(site, guest, approval_id)
        notice = refused(error, "grant", guest.reviewer, now())
        return _show(site, guest, view, sent, notice, status_of(error))
    return RedirectResponse("/grants", 303)


def _view(site: Web, guest: Visitor, approval_id: UUID) -> views_approval.ApprovalView:
    with site.database.begin() as conn:
        detail = get_approval(conn, tenant=site.tenant, approval_id=approval_id)
    if detail.call is None:
        raise Conflict("Only calls that wait for an approval can be granted.")
    return views_approval.view(detail, guest.reviewer, now())


def _show(
    site: Web,
    guest: Visitor,
    view: views_approval.ApprovalView,
    sent: GrantForm,
    notice: Notice | None = None,
    status: int = 200,
) -> Response:
    return page(
        "grant.html",
        site,
        guest,
        status=status,
        view=view,
        sent=sent,
        notice=notice,
        most=MOST_USES,
        scopes=views_grant.SCOPES,
        times=views_grant.TIMES,
    )
