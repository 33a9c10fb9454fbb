"""Editing a held call: a form by the tool's schema, and the way to the edited call's approval."""

import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from ..engine.decisions import Answer, decide
from ..engine.errors import Conflict, DecisionRefused, InvalidDecision
from ..engine.lifecycle import DecisionKind
from ..engine.queries import ApprovalDetail, find_successor, get_approval
from . import edit_form, views_approval
from .access import Guest, Site, Visitor, Web, visitor
from .notices import Notice, refused
from .refusals import status_of
from .rendering import now, page

router = APIRouter(
    prefix="/approvals/{approval_id}/edit",
    dependencies=[Depends(visitor)],
    include_in_schema=False,
)
PATIENCE = 2.0
"""Seconds to wait for a worker to propose the edited call; it normally takes a tenth of one."""
_PAUSE = 0.05


async def sent_fields(request: Request) -> dict[str, str]:
    """The form as sent: its fields depend on the tool."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


@router.get("")
def edit_page(site: Site, guest: Guest, approval_id: UUID) -> Response:
    """The form with the arguments as they stand; a closed approval leads back to its page."""
    detail = _detail(site, approval_id)
    if not _is_editable(detail, guest):
        return RedirectResponse(f"/approvals/{approval_id}", 303)
    return _show(site, guest, detail)


@router.post("")
def edit(
    site: Site,
    guest: Guest,
    approval_id: UUID,
    sent: Annotated[dict[str, str], Depends(sent_fields)],
) -> Response:
    """Record the edit, then lead to the approval of the edited call."""
    detail = _detail(site, approval_id)
    if detail.call is None or detail.tool is None:
        raise Conflict("This approval has no arguments to edit. Nothing was recorded.")
    filled = edit_form.filled(sent, detail.call.args, detail.tool.schema)
    note = sent.get("note", "").strip()
    answer = Answer(
        tenant=site.tenant,
        approval_id=approval_id,
        reviewer=guest.reviewer.name,
        kind=DecisionKind.EDIT,
        digest=sent.get("digest", ""),
        via="ui",
        reason=note or None,
        args=filled.args,
    )
    try:
        if filled.problems:
            raise InvalidDecision(" ".join(filled.problems.values()))
        decide(site.database, answer)
    except DecisionRefused as error:
        notice = refused(error, "edit", guest.reviewer, now())
        return _show(site, guest, detail, sent, filled, notice, status_of(error))
    successor = _wait_for_successor(site, approval_id)
    return RedirectResponse(f"/approvals/{successor or approval_id}", 303)


def _wait_for_successor(site: Web, approval_id: UUID) -> UUID | None:
    """The approval of the edited call, if a worker judges it soon."""
    until = time.monotonic() + PATIENCE
    while True:
        with site.database.begin() as conn:
            found = find_successor(conn, tenant=site.tenant, approval_id=approval_id)
        if found or time.monotonic() > until:
            return found
        time.sleep(_PAUSE)


def _show(
    site: Web,
    guest: Visitor,
    detail: ApprovalDetail,
    sent: dict[str, str] | None = None,
    filled: edit_form.Filled | None = None,
    notice: Notice | None = None,
    status: int = 200,
) -> Response:
    call, tool = detail.call, detail.tool
    problems = filled.problems if filled else None
    fields = edit_form.fields(call.args, tool.schema, sent, problems) if call and tool else ()
    return page(
        "edit.html",
        site,
        guest,
        status=status,
        view=views_approval.view(detail, guest.reviewer, now()),
        fields=fields,
        notice=notice,
        note=(sent or {}).get("note", ""),
    )


def _detail(site: Web, approval_id: UUID) -> ApprovalDetail:
    with site.database.begin() as conn:
        return get_approval(conn, tenant=site.tenant, approval_id=approval_id)


def _is_editable(detail: ApprovalDetail, guest: Visitor) -> bool:
    decision = views_approval.view(detail, guest.reviewer, now()).decision
    return decision is not None and not decision.barred and decision.edit is not None
