"""The queue, one approval, and the decision."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..engine.decisions import decide
from ..engine.errors import DecisionRefused
from ..engine.queries import CLOSED, count_pending, get_approval, list_approvals
from . import views_approval, views_inbox
from .access import Guest, Site, Visitor, Web, visitor
from .decision_form import DecisionForm, answer_of
from .notices import Notice, refused, some_left
from .refusals import status_of
from .rendering import fingerprint, now, page, render

router = APIRouter(prefix="/approvals", dependencies=[Depends(visitor)], include_in_schema=False)
SHOWN = 100
"""Approvals on the page; the next ones move up as these are decided."""


@router.get("")
def inbox(site: Site, guest: Guest) -> Response:
    """What waits for a person."""
    return page("inbox.html", site, guest, **_queue(site))


@router.get("/rows")
def rows(site: Site, _guest: Guest, seen: str = "") -> Response:
    """The queue alone, for the page that is already open; nothing when it has seen this."""
    queue = _queue(site)
    if queue["seen"] == seen:
        return Response(status_code=204)
    return HTMLResponse(render("queue.html", is_update=True, **queue))


@router.get("/history")
def history(site: Site, guest: Guest, cursor: str | None = None) -> Response:
    """What was decided, expired or fell away, newest first."""
    with site.database.begin() as conn:
        found = list_approvals(conn, tenant=site.tenant, status=CLOSED, cursor=cursor)
    at = now()
    lines = [views_inbox.row(approval, at) for approval in found.items]
    return page(
        "history.html", site, guest, rows=lines, older=found.cursor, is_first=cursor is None
    )


@router.get("/{approval_id}")
def approval(site: Site, guest: Guest, approval_id: UUID) -> Response:
    """One approval with all that a decision needs."""
    return show(site, guest, approval_id)


@router.get("/{approval_id}/live")
def live(site: Site, guest: Guest, approval_id: UUID, seen: str = "") -> Response:
    """What changed about an approval since the page was made; nothing when nothing did."""
    view = _view(site, guest, approval_id)
    if _state_of(view) == seen:
        return Response(status_code=204)
    return HTMLResponse(render("live.html", view=view, live=_state_of(view), is_update=True))


@router.post("/{approval_id}/decisions")
def decisions(
    site: Site, guest: Guest, approval_id: UUID, form: Annotated[DecisionForm, Form()]
) -> Response:
    """Record a decision, or say on the same page why it was not recorded."""
    with site.database.begin() as conn:
        detail = get_approval(conn, tenant=site.tenant, approval_id=approval_id)
    try:
        decided = decide(site.database, answer_of(form, detail, site.tenant, guest.reviewer))
    except DecisionRefused as error:
        return show(site, guest, approval_id, form=form, error=error)
    if decided.left:
        return show(site, guest, approval_id, notice=some_left(decided))
    return RedirectResponse(f"/approvals/{approval_id}", 303)


def show(
    site: Web,
    guest: Visitor,
    approval_id: UUID,
    *,
    form: DecisionForm | None = None,
    error: DecisionRefused | None = None,
    notice: Notice | None = None,
) -> Response:
    """An approval's page; after a refusal with the reason on top, and what was typed kept."""
    view = _view(site, guest, approval_id)
    if error and form:
        notice = refused(error, form.decision, guest.reviewer, now())
    return page(
        "approval.html",
        site,
        guest,
        status=status_of(error) if error else 200,
        view=view,
        live=_state_of(view),
        notice=notice,
        form=form or DecisionForm.empty(),
    )


def _view(site: Web, guest: Visitor, approval_id: UUID) -> views_approval.ApprovalView:
    with site.database.begin() as conn:
        detail = get_approval(conn, tenant=site.tenant, approval_id=approval_id)
    return views_approval.view(detail, guest.reviewer, now())


def _state_of(view: views_approval.ApprovalView) -> str:
    """Changes when the page would look different where it matters."""
    due = view.terms.due.left if view.terms.due else ""
    outcome = view.outcome
    said = (outcome.strong, outcome.more, outcome.successor) if outcome else ()
    return fingerprint(f"{view.state.word} {view.terms.quorum.given} {due} {said}")


def _queue(site: Web) -> dict[str, Any]:
    with site.database.begin() as conn:
        found = list_approvals(conn, tenant=site.tenant, limit=SHOWN).items
        pending = count_pending(conn, tenant=site.tenant)
    at = now()
    queue = {
        "groups": views_inbox.groups(found, at),
        "summary": views_inbox.summary(found, pending, at),
        "pending": pending,
        "hidden": pending - len(found),
    }
    return {**queue, "seen": fingerprint(repr(queue))}
