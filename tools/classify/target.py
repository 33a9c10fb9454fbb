"""Where a request goes: its host, its path and its query, read as the most lenient server would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from .addresses import UNKNOWN, decoded, host_of, hosts_in, is_address

_ABSOLUTE: Final = re.compile(r"(?:([a-z][a-z0-9+.-]*):)?//([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:(?!\d+(?:/|$))", re.IGNORECASE)
_LONGEST: Final = 8192


class Unreadable(ValueError):
    """An address that clients and servers read differently; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """A request's target.

    Attributes:
        segments: of the path, decoded, without the places of parameters (`{id}`).
        ends_open: whether the last segment is a parameter.
        query: names and values, decoded.
        egress: the host, where it is not the tool's own.
        shown: the path as it was given.
    """

    segments: tuple[str, ...]
    ends_open: bool
    query: tuple[tuple[str, str], ...]
    egress: tuple[str, ...]
    shown: str

    @property
    def is_graphql(self) -> bool:
        """Whether it is where GraphQL is served."""
        return any(segment.lower() in {"graphql", "gql"} for segment in self.segments)


def read_target(url: str) -> Target:
    """Raises `Unreadable` where two readers could take it for two targets."""
    if len(url) > _LONGEST:
        raise Unreadable("is too long to be read")
    if any(c.isspace() or not c.isprintable() for c in url):
        raise Unreadable("holds a blank or a character that cannot be seen")
    if "\\" in url:
        raise Unreadable("holds a backslash")
    whole = url.partition("#")[0]
    found = _ABSOLUTE.fullmatch(whole)
    if found is None and _SCHEME.match(whole):
        raise Unreadable("has a scheme and no host")
    if found and (found[1] or "https").lower() not in {"http", "https"}:
        raise Unreadable("is not one of HTTP")
    path, _, query = (found[3] if found else whole).partition("?")
    if found:
        egress: tuple[str, ...] = (host_of(found[2]),)
    else:
        egress = () if path.startswith("/") else (UNKNOWN,)
    pairs = [part.partition("=") for part in re.split("[&;]", query) if part]
    for name, _, value in pairs:
        egress += hosts_in({decoded(name): unquote(value)}, is_address, by_value=True)
    segments = _segments(path)
    literal = tuple(bare for segment in segments if (bare := _without_places(segment)))
    ends_open = bool(segments) and not _without_places(segments[-1])
    return Target(literal, ends_open, _query(pairs), egress, path)


def _segments(path: str) -> list[str]:
    """Of the decoded path; an encoded slash parts them as a plain one does."""
    whole = decoded(path)
    if whole != unquote(whole):
        raise Unreadable("is encoded too often to be read")
    parts = whole.replace("\\", "/").split("/")
    if "&" in whole and "=" in whole:
        raise Unreadable("has parameters in its path")
    if ";" in whole:
        raise Unreadable("has parameters in its path")
    if any(part.strip(". ") == "" and part.strip() for part in parts):
        raise Unreadable("climbs with dots")
    if not all(part.isascii() and part.isprintable() for part in parts):
        raise Unreadable("has a path that is not plain ASCII")
    return [part for part in parts if part]


def _query(pairs: list[tuple[str, str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((decoded(name.replace("+", " ")), decoded(value)) for name, _, value in pairs)


def _without_places(segment: str) -> str:
    return re.sub(r"\{[^{}]*\}|<[^<>]*>", "", segment)
