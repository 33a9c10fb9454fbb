"""Who is asking: a reviewer by the browser's session, or by a bearer token on the API."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from ..engine.accounts import Reviewer, session_reviewer, token_reviewer
from ..engine.database import Database
from ..engine.settings import Settings
from .security import SESSION_COOKIE, csrf_token


@dataclass(frozen=True, slots=True)
class Web:
    """What every route works with."""

    database: Database
    settings: Settings

    @property
    def tenant(self) -> str:
        """The tenant that this process serves."""
        return self.settings.tenant


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in reviewer, and the token that the forms of their session carry."""

    reviewer: Reviewer
    csrf: str


class SignInNeeded(Exception):
    """Nobody is signed in; pages lead to the sign-in page, the API answers 401."""


def web(request: Request) -> Web:
    """What the app was made with."""
    found: Web = request.app.state.web
    return found


def find_visitor(request: Request, site: Web) -> Visitor | None:
    """The reviewer whose session the browser's cookie names, if any."""
    session = request.cookies.get(SESSION_COOKIE)
    if session is None:
        return None
    with site.database.begin() as conn:
        reviewer = session_reviewer(conn, session, tenant=site.tenant)
    return Visitor(reviewer, csrf_token(session)) if reviewer else None


def visitor(request: Request, site: Annotated[Web, Depends(web)]) -> Visitor:
    """The signed-in reviewer.

    Raises:
        SignInNeeded: there is none.
    """
    found = find_visitor(request, site)
    if found is None:
        raise SignInNeeded
    return found


def caller(request: Request, site: Annotated[Web, Depends(web)]) -> Reviewer:
    """The reviewer behind an API request; a bearer token that does not fit is not looked past.

    Raises:
        SignInNeeded: there is none.
    """
    authorization = request.headers.get("authorization")
    if authorization is None:
        return visitor(request, site).reviewer
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise SignInNeeded
    with site.database.begin() as conn:
        reviewer = token_reviewer(conn, secret.strip(), tenant=site.tenant)
    if reviewer is None:
        raise SignInNeeded
    return reviewer


def local_path(target: str, default: str = "/approvals") -> str:
    """The target if it is a path of this site, else the default: no redirect leads elsewhere."""
    parts = urlsplit(target)
    plain = target.isascii() and target.isprintable() and "\\" not in target
    if (
        parts.scheme
        or parts.netloc
        or not plain
        or not target.startswith("/")
        or target[1:2] == "/"
    ):
        return default
    return target


Site = Annotated[Web, Depends(web)]
Guest = Annotated[Visitor, Depends(visitor)]
Caller = Annotated[Reviewer, Depends(caller)]
