"""The effect of an HTTP request, from its method, its target and what it carries.

Only GET, HEAD and OPTIONS can be reads, and only where no word of the path or the query says that
the server acts on them; a POST is one where its path names a computation. No way back is assumed:
a PUT whose former value could be read first is for its tool to declare reversible, with an undo.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..effect import Classification, Effect, Source
from .addresses import hosts_in, is_address
from .graphql import only_queries
from .http_words import Word, acting_path, acting_query, computes
from .operation import Said, what_it_says
from .target import Target, Unreadable, read_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..effect import SureRule

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OVERRIDE_HEADERS: Final = frozenset(
    {"xhttpmethodoverride", "xhttpmethod", "xmethodoverride", "methodoverride"}
)
_OVERRIDE_KEYS: Final = frozenset({"method", "httpmethod"})
_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SHOWN: Final = 120


def classify_http(
    method: str,
    url: str,
    *,
    operation: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, Any] | None = None,
) -> Classification:
    """The effect of one request.

    Args:
        method: as it is sent.
        url: a path for the tool's own host, or a whole URL, whose host is then egress.
        operation: the operation of the OpenAPI document that describes it, from the operator.
        body: what is sent, as text or as JSON values; it is looked at for GraphQL and addresses.
        headers: what is sent beside it; looked at for another method.
    """
    name = method.upper() if method.isascii() and method.isalpha() else ""
    if not name:
        return _acts("unreadable-method", "The method is none that can be read.", ())
    try:
        target = read_target(url)
    except Unreadable as problem:
        return _acts("unreadable-url", f"The address {problem}.", ("unknown",))
    egress = _unique((*target.egress, *hosts_in({"": _values(body)}, is_address, by_value=True)))
    asked = f"{name} {target.shown[:_SHOWN]}"
    override = next(_overrides(target, body, headers or {}), None)
    if override is not None:
        said = f"{asked} asks for the method `{override[:20]}` beside its own."
        return _acts("method-override", said, egress)
    return _judged(name, target, asked, what_it_says(operation), body, egress)


def _judged(
    name: str, target: Target, asked: str, said: Said, body: Any, egress: tuple[str, ...]
) -> Classification:
    word = acting_path(target) or acting_query(target)
    if target.is_graphql and word is None and name in {*_SAFE, "POST"}:
        return _graphql(target, asked, body, egress)
    if name in _SAFE:
        return _safe(word, said, asked, egress)
    reason = None
    if name == "POST" and not said.acts:
        reason = computes(target) or (said.computes if word is None else None)
    if reason:
        return _reads("post-that-computes", f"{asked} {reason}.", egress)
    return _acts(f"method-{name.lower()}"[:40], f"{asked} changes something for good.", egress)


def _safe(word: Word | None, said: Said, asked: str, egress: tuple[str, ...]) -> Classification:
    """A request whose method should not act, and may all the same."""
    if word is not None and not (word.is_unsure and said.reads):
        return _acts("get-that-acts", f"{asked} says `{word.text}`, which acts.", egress)
    if said.acts:
        return _acts("operation-acts", f"{asked}: its description says {said.acts}.", egress)
    return _reads("safe-method", f"{asked} only reads.", egress)


def _graphql(target: Target, asked: str, body: Any, egress: tuple[str, ...]) -> Classification:
    documents = [value for key, value in target.query if key == "query"]
    if body is not None:
        documents.append(body)
    if documents and all(only_queries(document) for document in documents):
        return _reads("graphql-query", f"{asked} carries a GraphQL query and no mutation.", egress)
    return _acts("graphql", f"{asked} is not known to carry GraphQL queries alone.", egress)


def _overrides(target: Target, body: Any, headers: Mapping[str, Any]) -> Iterator[str]:
    """Methods that frameworks take in place of the request's own."""
    if not hasattr(headers, "items"):
        yield "unreadable headers"
        return
    found = [(str(key), str(value)) for key, value in headers.items()]
    yield from (value for key, value in found if _bare(key) in _OVERRIDE_HEADERS)
    for key, value in target.query:
        bare = _bare(key)
        is_meant = key.startswith("_") or value.upper() in _METHODS
        if bare in _OVERRIDE_HEADERS or (bare in _OVERRIDE_KEYS and is_meant):
            yield value
    if isinstance(body, dict) and "_method" in body:
        yield str(body["_method"])
    if isinstance(body, str | bytes) and "_method=" in str(body):
        yield "_method"


def _values(body: Any) -> Any:
    """A body as values, where it is JSON."""
    if isinstance(body, str) and body.lstrip().startswith(("{", "[")):
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return body
    return body


def _bare(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def by_http(
    url: str = "url",
    *,
    method: str | None = None,
    body: str | None = None,
    headers: str | None = None,
) -> SureRule:
    """The effect of a tool that sends one request, by the arguments that say which.

    Args:
        url: the argument that holds the path or the URL.
        method: the one that holds the method; without it the tool sends GET.
        body: the one that holds what is sent.
        headers: the one that holds the headers.
    """

    def http_rule(args: Mapping[str, Any]) -> Classification:
        asked = "GET" if method is None else args.get(method)
        where = args.get(url)
        if not isinstance(asked, str) or not isinstance(where, str):
            return _acts("unreadable-url", "The request has no method or no address.", ("unknown",))
        sent = args.get(body) if body else None
        return classify_http(
            asked, where, body=sent, headers=args.get(headers) if headers else None
        )

    http_rule.__name__ = f"by_http({url})"
    return http_rule


def _unique(hosts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(hosts))


def _reads(rule: str, said: str, egress: tuple[str, ...]) -> Classification:
    return Classification(Effect.READ, Source.INFERRED, rule, (said,), egress)


def _acts(rule: str, said: str, egress: tuple[str, ...]) -> Classification:
    return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, (said,), egress)
