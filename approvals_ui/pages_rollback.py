"""Rolling a run back: the plan, its confirmation, and how far it is."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..engine.errors import Conflict
from ..engine.queries import get_run
from ..engine.rollback_plan import Scope
from ..engine.rollbacks import ask_rollback, plan_rollback
from . import views_rollback, views_run
from .access import Guest, Site, Web, visitor
from .rendering import fingerprint, now, page, render

router = APIRouter(
    prefix="/runs/{run_id}/rollback", dependencies=[Depends(visitor)], include_in_schema=False
)


class RollbackForm(BaseModel):
    """The fields of the form; a field that no page sends is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    csrf: str = ""
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    to: UUID | None = None
    skip: list[UUID] = []

    @field_validator("to", mode="before")
    @classmethod
    def left_empty(cls, given: Any) -> Any:
        """An empty field names no call."""
        return given or None


@router.get("")
def rollback(
    site: Site,
    guest: Guest,
    run_id: UUID,
    to: UUID | None = None,
    skip: Annotated[list[UUID] | None, Query()] = None,
) -> Response:
    """The plan, or the rollback that is under way."""
    return _show(site, guest, run_id, Scope(to, frozenset(skip or ())))


@router.get("/live")
def live(site: Site, guest: Guest, run_id: UUID, seen: str = "") -> Response:
    """The rollback alone, for the page that is already open; nothing when it has seen this."""
    found = _found(site, run_id, Scope())
    if found["seen"] == seen:
        return Response(status_code=204)
    return HTMLResponse(render("rollback_body.html", visitor=guest, **found))


@router.post("")
def ask(site: Site, guest: Guest, run_id: UUID, form: Annotated[RollbackForm, Form()]) -> Response:
    """Roll back what the confirmed plan says; a plan that changed is shown as it stands now."""
    scope = Scope(form.to, frozenset(form.skip))
    by = f"reviewer:{guest.reviewer.name}"
    where: dict[str, Any] = {"tenant": site.tenant, "run_id": run_id}
    try:
        ask_rollback(site.database, **where, digest=form.digest, by=by, scope=scope)
    except Conflict as error:
        return _show(site, guest, run_id, scope, status=409, refused=str(error))
    return RedirectResponse(f"/runs/{run_id}/rollback", 303)


def _show(
    site: Web, guest: Guest, run_id: UUID, scope: Scope, *, status: int = 200, refused: str = ""
) -> Response:
    found = _found(site, run_id, scope)
    return page("rollback.html", site, guest, status=status, refused=refused, **found)


def _found(site: Web, run_id: UUID, scope: Scope) -> dict[str, Any]:
    with site.database.begin() as conn:
        detail = get_run(conn, tenant=site.tenant, run_id=run_id)
        plan = plan_rollback(conn, tenant=site.tenant, run_id=run_id, scope=scope)
    at = now()
    run = views_run.view(detail, at)
    past = tuple(views_rollback.rollback_view(each, detail, at) for each in detail.rollbacks)
    is_open = bool(past) and past[0].is_open
    found = {
        "run": run.line,
        "is_open": run.is_open,
        "is_running": detail.run.status == "running",
        "is_cancelling": run.is_cancelling,
        "past": past,
        "plan": None if is_open else views_rollback.plan_now(plan, detail),
        "is_moving": is_open or run.is_cancelling,
    }
    return {**found, "seen": fingerprint(repr(found))}
