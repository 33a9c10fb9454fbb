"""Errors as answers: a sentence in JSON for the API, a page for people. Nothing else leaks."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ..engine.accounts import SignInRefused
from ..engine.errors import (
    AlreadyDecided,
    Conflict,
    DatabaseLost,
    DatabaseUnavailable,
    InterlockError,
    InvalidDecision,
    NotAReviewer,
    NotFound,
    NotTaken,
    StaleDigest,
    UsageError,
)
from .access import SignInNeeded, local_path, web
from .rendering import render
from .security import API, Refusal

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    NotAReviewer: 403,
    AlreadyDecided: 409,
    StaleDigest: 409,
    NotTaken: 409,
    Conflict: 409,
    InvalidDecision: 422,
    DatabaseUnavailable: 503,
    UsageError: 422,
    SignInRefused: 429,
    InterlockError: 500,
}


def status_of(error: Exception) -> int:
    """The HTTP status of a domain error."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def facts_of(error: Exception) -> dict[str, Any]:
    """What the caller can go on with: who was first and when, or the digest that stands."""
    if isinstance(error, AlreadyDecided):
        at = error.at.isoformat() if error.at else None
        return {"state": error.state, "by": error.by, "at": at}
    if isinstance(error, StaleDigest):
        return {"digest": error.digest}
    return {}


def respond(request: Request, status: int, sentence: str, **facts: Any) -> Response:
    """The refusal in the form that this caller reads."""
    if request.url.path.startswith(API):
        headers = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
        return JSONResponse({"error": sentence, **facts}, status, headers=headers)
    settings = web(request).settings
    text = render(
        "error.html",
        status=status,
        title=HTTPStatus(status).phrase,
        sentence=sentence,
        environment_name=settings.environment,
    )
    return HTMLResponse(text, status)


def refuse(request: Request, refusal: Refusal) -> Response:
    """What the guard before all routes answers."""
    log.warning("request.refused", path=request.url.path, status=refusal.status)
    return respond(request, refusal.status, refusal.sentence)


def install(app: FastAPI) -> None:
    """Have every error answered here."""
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(InterlockError, _domain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DatabaseLost, _no_database)
    app.add_exception_handler(OperationalError, _no_database)
    app.add_exception_handler(InterfaceError, _no_database)


def _sign_in(request: Request, _error: Exception) -> Response:
    if request.url.path.startswith(API):
        return respond(
            request, 401, "Sign in, or send a token: Authorization: Bearer il_… Nothing was done."
        )
    is_get = request.method == "GET"
    if current := request.headers.get("hx-current-url"):
        back = _path_of(current)
    else:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        back = target if is_get else _path_of(request.headers.get("referer", ""))
    where = f"/sign-in?next={quote(back)}{'' if is_get else '&lost=1'}"
    if "hx-request" in request.headers:
        if is_get:  # an update: what the reader has typed stays on the page
            return HTMLResponse(render("session_over.html", where=where), 401)
        return Response(status_code=401, headers={"hx-redirect": where})
    return RedirectResponse(where, 303)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return local_path(parts.path + (f"?{parts.query}" if parts.query else ""))


def _domain(request: Request, error: Exception) -> Response:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", path=request.url.path, error=str(error))
    return respond(request, status, str(error), **facts_of(error))


def _invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [
        {
            "field": ".".join(str(part) for part in problem["loc"] if part != "body"),
            "problem": problem["msg"],
        }
        for problem in problems
    ]
    listed = "; ".join(f"{item['field'] or 'the body'}: {item['problem']}" for item in fields)
    if not request.url.path.startswith(API) and all(p["loc"][0] == "path" for p in problems):
        return respond(request, 404, f"There is nothing at {request.url.path}.")
    return respond(request, 422, f"The request does not fit: {listed}.", fields=fields)


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == HTTPStatus.NOT_FOUND:
        return respond(request, 404, f"There is nothing at {request.url.path}.")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return respond(request, 405, f"{request.method} does nothing at {request.url.path}.")
    return respond(request, status, f"{HTTPStatus(status).phrase}.")


def _no_database(request: Request, error: Exception) -> Response:
    log.error("database.lost", path=request.url.path, error=str(error).splitlines()[0])
    return respond(
        request, 503, "The database cannot be reached. Nothing was recorded. Try again in a minute."
    )


class LastResort:
    """Answers for whatever nobody expected, inside of what puts the headers on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through; a failure is logged and becomes a plain answer."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            log.exception("request.failed", path=scope.get("path"))
            if started or scope["type"] != "http":
                raise
            sentence = "Something went wrong inside Interlock; its log has the details."
            await respond(Request(scope), 500, sentence)(scope, receive, send)
