"""The outside addresses that a call's values name: hosts, or `unknown` where they cannot be told.

Clients read odd addresses differently (a backslash, a user before the host, a tab inside), so only
a plain host is told by its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from .lexicon import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..effect import EgressRule

UNKNOWN: Final = "unknown"
_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}([^/?#]*)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)*[a-z0-9-]+|\[[0-9a-f:.]+\]")
_NAMED: Final = frozenset(
    {
        *("url", "urls", "uri", "uris", "webhook", "webhooks", "endpoint", "link", "links", "href"),
        *("website", "callback", "hostname", "hostnames", "proxy"),
    }
)
_URLS: Final = frozenset({"url", "urls", "uri", "uris"})
_NOT_THE_ADDRESS: Final = frozenset({"id", "ids", "type", "count"})
_NAMED_ALONE: Final = frozenset({"host", "hosts", "ip"})
_MOST_DECODED: Final = 4
_MOST_VALUES: Final = 500
_LONGEST: Final = 8192


def decoded(text: str) -> str:
    """The text without its percent encoding, however often it is encoded, up to four times."""
    for _ in range(_MOST_DECODED):
        once = unquote(text)
        if once == text:
            break
        text = once
    return text


def host_of(authority: str) -> str:
    """The host of `host:port`, or `unknown` where it is not a plain one."""
    host = re.sub(r":\d*$", "", authority.lower())
    return host if _HOST.fullmatch(host) else UNKNOWN


def is_address(name: str) -> bool:
    """Whether an argument of this name holds an address."""
    words = [word for word in words_of(name) if not word.isdigit()]
    if not words or words[-1] in _NOT_THE_ADDRESS:
        return False
    return words[-1] in _NAMED or bool(_URLS & set(words)) or "_".join(words) in _NAMED_ALONE


def addresses_among(names: Iterable[str]) -> frozenset[str]:
    """Those of the arguments that hold addresses, by their names."""
    return frozenset(filter(is_address, names))


def by_addresses(names: frozenset[str], *, by_value: bool) -> EgressRule:
    """The hosts that a call's arguments name.

    Args:
        names: the arguments that hold addresses.
        by_value: also take whole URLs in other arguments for addresses.
    """
    return lambda args: hosts_in(args, names.__contains__, by_value=by_value)


def hosts_in(
    values: Mapping[str, Any], is_named: Callable[[str], bool], *, by_value: bool
) -> tuple[str, ...]:
    """The hosts among values, nested ones included; `is_named` says which names count."""
    return tuple(dict.fromkeys(_hosts(values, is_named, by_value=by_value)))


def _hosts(
    values: Mapping[str, Any], is_named: Callable[[str], bool], *, by_value: bool
) -> Iterator[str]:
    todo: list[tuple[bool, Any]] = [(is_named(name), value) for name, value in values.items()]
    seen = 0
    while todo:
        counts, value = todo.pop()
        seen += 1
        if seen > _MOST_VALUES:
            yield UNKNOWN
            return
        if isinstance(value, dict):
            todo.extend((counts or is_named(str(name)), part) for name, part in value.items())
        elif isinstance(value, list | tuple):
            todo.extend((counts, part) for part in value)
        elif counts and value not in (None, "", False):
            yield from _host(value)
        elif by_value and isinstance(value, str):
            yield from hosts_of(value)


def _host(value: Any) -> Iterator[str]:
    """Of a value that is an address: a whole one, a bare host, or a path of the tool's own host."""
    if not isinstance(value, str):
        yield UNKNOWN
    elif found := hosts_of(value):
        yield from found
    elif not value.startswith("/"):
        yield host_of(value.partition("/")[0]) if "." in value else UNKNOWN


def hosts_of(text: str) -> tuple[str, ...]:
    """The host of a text that is a whole URL; two where encoding hides another."""
    written = (text[:_LONGEST].strip(), decoded(text[:_LONGEST]).strip())
    found = [match for each in dict.fromkeys(written) if (match := _ADDRESS.match(each))]
    return tuple(dict.fromkeys(host_of(match[1]) for match in found))
