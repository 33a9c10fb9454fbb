"""A tool for requests to listed hosts."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import httpx
from pydantic import AfterValidator, Field, create_model

from ..classify.http import by_http, classify_http
from ..decorator import tool
from ..effect import Effect
from ..gated import NotDone, current_call
from .reach import Reach, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from ..effect import Classification
    from ..gated import GatedTool

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_TOLD = ("content-type", "etag", "last-modified", "location", "retry-after")
_STATEFUL = ("PUT", "PATCH", "DELETE")
_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class _Terms:
    """How requests are made."""

    reach: Reach
    headers: Mapping[str, str]
    key_header: str
    seconds: float
    most_bytes: int


def http_tools(
    origins: Iterable[str],
    *,
    headers: Mapping[str, str] | None = None,
    key_life: timedelta | None = None,
    key_header: str = "Idempotency-Key",
    private: bool = False,
    seconds: float = 30,
    most_bytes: int = 200_000,
) -> list[GatedTool]:
    """`http_request`: requests to listed origins. What only reads runs, all else is held.

    A redirect is not followed: the agent gets its address and may ask for it. Nothing can
    be undone, and what became of a request whose answer was lost only the server knows.

    Args:
        origins: `https://api.example.com`; no other is asked.
        headers: sent with each request, such as credentials; the agent sees and chooses none.
        key_life: how long the service knows a key, if it honours `key_header`: a request that broke
            off is then made again with the same key.
        key_header: the header for the key of a request that changes something.
        private: hosts at addresses that are not of the public internet may be asked, too.
        seconds: how long each wait for the server, and the reading of its answer, may take.
        most_bytes: of an answer; the rest is cut.

    Raises:
        ToolDeclarationError: no origin is listed.
    """
    reach = Reach(origins, private=private)
    terms = _Terms(reach, dict(headers or {}), key_header, seconds, most_bytes)

    @tool(
        effect=_by_request(reach),
        egress=(),
        preview=lambda method, url, body=None: _preview(method, url, body),
        headline=lambda method, url, body=None: f"{method} {url[:150]}",  # noqa: ARG005 - it gets all
        fingerprint=lambda method, url, body=None: _state(terms, method, url),  # noqa: ARG005 - as above
        idempotent=key_life is not None,
        key_life=key_life,
        args_schema=create_model(
            "Request",
            method=(Method, ...),
            url=(Annotated[str, Field(max_length=2_000), AfterValidator(reach.check)], ...),
            body=(Any, Field(None, description="Sent as JSON.")),
        ),
    )
    def http_request(method: str, url: str, body: Any = None) -> dict[str, Any]:
        """Make one HTTP request; gives the status, some headers and the body."""
        return _ask(terms, method, url, body)

    return [http_request]


def _by_request(reach: Reach) -> Any:
    """As `by_http`; a host that the operator listed is no address that the agent chose."""
    judge = by_http("url", method="method", body="body")

    def by_request(args: Mapping[str, Any]) -> Classification:
        judged = judge(args)
        return replace(
            judged, egress=tuple(host for host in judged.egress if host not in reach.hosts)
        )

    return by_request


def _ask(terms: _Terms, method: str, url: str, body: Any) -> dict[str, Any]:
    """Send the request and read its answer.

    Raises:
        NotDone: nothing was sent.
        httpx.HTTPError: it was, and what became of it is not known.
    """
    extra: dict[str, str] = {}
    content = None
    if body is not None:
        content = json.dumps(body).encode()
        extra["content-type"] = "application/json"
    if method not in ("GET", "HEAD"):
        extra[terms.key_header] = current_call().idempotency_key
    return _sent(terms, method, url, extra, content)


def _sent(
    terms: _Terms, method: str, url: str, extra: Mapping[str, str], content: bytes | None = None
) -> dict[str, Any]:
    try:
        origin = origin_of(terms.reach.check(url))
    except ValueError as error:
        raise NotDone(f"{error}. Nothing was sent.") from None
    # what was looked up and checked is what is asked, whatever a second look-up would give
    address = httpx.URL(url).copy_with(host=terms.reach.resolve(origin).strip("[]"))
    # an answer that unpacks to more than was read would get past the limit
    headers = {**terms.headers, **extra, "host": origin.authority, "accept-encoding": "identity"}
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=terms.seconds) as client:
        request = client.build_request(
            method,
            address,
            headers=headers,
            content=content,
            extensions={"sni_hostname": origin.host},
        )
        try:
            response = client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NotDone(f"The host '{origin.host}' cannot be reached: {error}.") from None
        try:
            return _told(response, terms)
        finally:
            response.close()


def _told(response: httpx.Response, terms: _Terms) -> dict[str, Any]:
    body, cut = _body(response, terms)
    headers = {name: response.headers[name] for name in _TOLD if name in response.headers}
    return {"status": response.status_code, "headers": headers, "body": body, "cut": cut}


def _body(response: httpx.Response, terms: _Terms) -> tuple[str, bool]:
    if response.headers.get("content-encoding", "identity") != "identity":
        return "(the answer is packed, though it was asked for plain)", True
    kept, ends = bytearray(), time.monotonic() + terms.seconds
    for piece in response.iter_raw():
        room = terms.most_bytes - len(kept)
        kept += piece[:room]
        if len(piece) > room or time.monotonic() > ends:
            return kept.decode(errors="replace"), True
    return kept.decode(errors="replace"), False


def _state(terms: _Terms, method: str, url: str) -> dict[str, Any] | None:
    """What stands at the address that a request would change; None where nobody says."""
    if method not in _STATEFUL or classify_http("HEAD", url).effect is not Effect.READ:
        return None
    found = _sent(terms, "HEAD", url, {})
    marks = {name: found["headers"].get(name) for name in ("etag", "last-modified")}
    return {"status": found["status"], **marks} if any(marks.values()) else None


def _preview(method: str, url: str, body: Any) -> dict[str, Any]:
    facts = {"Method": method, "Host": origin_of(url).authority, "Address": url}
    if body is None:
        return facts
    text = json.dumps(body, indent=1, ensure_ascii=False)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return {**facts, "Body": shown, "Size": f"{len(text.encode()):,} bytes"}
