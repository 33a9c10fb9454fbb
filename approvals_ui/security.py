"""What every answer carries and what every request that changes something must prove.

Both work on the raw ASGI messages, outside of all routes: a new route is protected by being there.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_COOKIE = "interlock_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
LARGEST_BODY = 1_000_000
"""Bytes; arguments of a call are far smaller, and a body is held in memory."""
API = ("/api/", "/metrics")
"""How the paths begin that programs use, with a bearer token."""

SIGN_IN = "/sign-in"
"""The one form without a token: there is no session yet, or a dead one. Its origin is checked."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not `no-referrer`: a browser would then send forms with `Origin: null`
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def csrf_token(session: str) -> str:
    """The token that forms of this session carry: derived, so that nothing is stored."""
    return hmac.new(session.encode(), b"interlock/csrf/1", sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request got no further."""

    status: int
    sentence: str


TOO_LARGE = Refusal(
    413, f"The request is larger than {LARGEST_BODY:,} bytes. Nothing was recorded."
)
FOREIGN = Refusal(403, "The request came from another site. Nothing was recorded.")
FORGED = Refusal(
    403,
    "The request does not carry this session's token. Nothing was recorded. "
    "Open the page again and repeat it.",
)


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that its own page sent this; other clients send neither header."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or _host_of(origin) == headers.get("host", "")


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def carries_token(path: str, headers: Mapping[str, str], session: str, body: bytes) -> bool:
    """Whether the session's token came along: in the header, or in a page's form."""
    sent = headers.get(CSRF_HEADER, "")
    if not sent and not path.startswith(API):
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=1000)
        sent = fields.get(CSRF_FIELD, [""])[0]
    return hmac.compare_digest(sent.encode(), csrf_token(session).encode())


def refusal(request: Request, body: bytes) -> Refusal | None:
    """Why this request must not be carried out, or None.

    A request with a bearer token proves itself by it; the API does not look at the cookie then.
    """
    path, headers = request.url.path, request.headers
    if not same_origin(headers):
        return FOREIGN
    session = request.cookies.get(SESSION_COOKIE)
    by_token = path.startswith(API) and "authorization" in headers
    if session is None or by_token or path == SIGN_IN:
        return None
    try:
        proved = carries_token(path, headers, session, body)
    except ValueError:
        proved = False
    return None if proved else FORGED


class Guard:
    """Lets a request that changes something through only when it is whole and not forged."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request, Refusal], Response]) -> None:
        self.app = app
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request, then hand it on with its body put back."""
        if scope["type"] != "http" or scope["method"] in _SAFE:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await _whole_body(request)
        refused = TOO_LARGE if body is None else refusal(request, body)
        if refused is not None:
            await self.refuse(request, refused)(scope, receive, send)
            return
        await self.app(scope, _replay(body or b"", receive), send)


async def _whole_body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class Headers:
    """Puts the security headers on every answer; only static files may be kept by a browser."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, with headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        keep = "no-cache" if scope["path"].startswith("/static/") else "no-store"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({**_HEADERS, "cache-control": keep})
            await send(message)

        await self.app(scope, receive, send_with_headers)
