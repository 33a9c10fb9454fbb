"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from ..engine import accounts
from .access import Site, find_visitor, local_path
from .rendering import page
from .security import SESSION_COOKIE

router = APIRouter(include_in_schema=False)


@router.get("/")
def home() -> Response:
    """The queue is where work starts."""
    return RedirectResponse("/approvals", 303)


@router.get("/sign-in")
def sign_in_page(
    request: Request,
    site: Site,
    target: Annotated[str, Query(alias="next")] = "/approvals",
    lost: str = "",
) -> Response:
    """The form; somebody who is signed in goes on to where they wanted."""
    target = local_path(target)
    if find_visitor(request, site):
        return RedirectResponse(target, 303)
    problem = "Your session ended. What you sent was not recorded." if lost else ""
    return page("sign_in.html", site, None, target=target, problem=problem, typed="")


@router.post("/sign-in")
def sign_in(
    site: Site,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=2000)],
    target: Annotated[str, Form(alias="next")] = "/approvals",
) -> Response:
    """Open a session; the answer does not tell an unknown name from a wrong password."""
    target = local_path(target)
    try:
        token = accounts.sign_in(site.database, tenant=site.tenant, name=name, password=password)
        status, problem = 403, "Name and password do not fit together."
    except accounts.SignInRefused as refused:
        token, status, problem = None, 429, str(refused)
    if token is None:
        return page(
            "sign_in.html", site, None, status=status, target=target, problem=problem, typed=name
        )
    response = RedirectResponse(target, 303)
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=accounts.SESSION_SECONDS,
        secure=site.settings.secure_cookies,
        httponly=True,
        # not strict: a link to an approval in a chat must find the session; no GET decides
        samesite="lax",
    )
    return response


@router.post("/sign-out")
def sign_out(request: Request, site: Site) -> Response:
    """End the session on the server, not only in the browser."""
    if token := request.cookies.get(SESSION_COOKIE):
        accounts.sign_out(site.database, token)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, secure=site.settings.secure_cookies, httponly=True)
    return response
