"""Values that came from untrusted content, found again in what an agent wants to do with them.

By value: what a page, a mail or a tool's untrusted answer said is remembered, and an argument that
holds a piece of it is tainted. What the run was asked for by its own input is not. A model that
rewrites a value beyond recognition is not seen through; that is what a review is for.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pydantic_core import to_jsonable_python

from .database import execute
from .outcome import read_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from .hold import Hold

_LEAST = 4
"""Characters that a name, a number or an id has at least to be told from chance."""
_LEAST_WORD = 8
"""The same of a value that is a plain word: `open` and `paid` are nobody's."""
_PHRASE = 5
"""Words in a row that two texts do not share by chance."""
_MOST_TEXT = 250_000
"""Characters of one untrusted result that are looked at; a longer one taints every argument."""
_TOO_MUCH = "more than can be compared"
_DEPTH = 20

_NAMED = re.compile(
    r"""
      (?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+  # an address of mail
    | (?<![a-z0-9+.-])[a-z0-9+.-]++://[^\s<>"'`\\)\]}]+  # a URL
    | (?<![\w-])(?:[\w-]++\.){1,20}[^\W\d_]{2,63}\b  # a host
    | (?:[.~]?/|(?<![\w.-]))[\w.-]++(?:/[\w.-]++)+  # a path
    | [a-z]{2}\d{2}(?:[ -]?[a-z0-9]{2,4}){3,8}\b  # an IBAN
    | \d[\d .,:_-]{0,40}\d(?![\w-])        # a number, an account, a date
    | (?<![\w-])[\w-]*\d[\w-]*              # an id
    | @\w+ | \#\w+                          # a handle
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""No quantifier is tried again from the middle of what it ran over before: whoever writes the text
must not choose how long it takes."""
_ADDRESSED = re.compile(r"[@/.]")
_WORD = re.compile(r"\w+")
_EDGES = " \t\n.,;:!?\"'`()[]{}<>"


@dataclass(frozen=True, slots=True)
class Tainted:
    """An argument that holds something untrusted.

    Attributes:
        path: the argument, as `to` or `items[0].url`.
        piece: what of it was found.
        tool, call_id: where it came from.
    """

    path: str
    piece: str
    tool: str
    call_id: UUID

    @property
    def argument(self) -> str:
        """The name of the argument that it is in."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]

    def __str__(self) -> str:
        return (
            f"`{self.path}` holds “{self.piece}”, which came from untrusted content: "
            f"the result of {self.tool}, call {self.call_id}."
        )


class Taint:
    """What one run has seen of untrusted content; safe from any thread.

    `given` is the run's own input: what it says is trusted.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._origin: dict[str, tuple[str, UUID]] = {}
        self._everything: tuple[str, UUID] | None = None
        self._lock = threading.Lock()

    def learn(self, tool: str, call_id: UUID, result: Any) -> None:
        """Remember what an untrusted result said."""
        try:
            pieces = set(_pieces(list(_values(_as_json(result)))))
        except (_TooMuch, ValueError, RecursionError):
            with self._lock:
                self._everything = (tool, call_id)
            return
        with self._lock:
            for piece in pieces - self._trusted:
                self._origin.setdefault(piece, (tool, call_id))

    @cached_property
    def _trusted(self) -> frozenset[str]:
        """The pieces of the run's own input; nothing, where that is more than is looked at."""
        try:
            return frozenset(_pieces(self._given))
        except _TooMuch:
            return frozenset()

    def recall(self, conn: Connection, hold: Hold, tools: Sequence[str]) -> None:
        """Learn what these tools gave in earlier executions of the run."""
        if not tools:
            return
        rows = execute(
            conn, "results_of", tenant=hold.tenant, run_id=hold.run_id, tools=list(tools)
        )
        for row in rows:
            known = row.result is not None
            said = read_outcome(row.result_type, bytes(row.result)) if known else row.error
            self.learn(row.tool, row.id, said)

    def trace(self, args: Mapping[str, Any]) -> tuple[Tainted, ...]:
        """The arguments that hold any of it, each with the longest piece found."""
        with self._lock:
            if not self._origin and self._everything is None:
                return ()
            found = (self._of(path, value) for path, value in _leaves(args))
            return tuple(tainted for tainted in found if tainted)

    def _of(self, path: str, value: Any) -> Tainted | None:
        try:
            pieces = sorted(_pieces(value), key=len, reverse=True)
        except _TooMuch:
            anything = self._everything or next(iter(self._origin.values()))
            return Tainted(path, _TOO_MUCH, *anything)
        for piece in pieces:
            if piece in self._origin:
                return Tainted(path, piece, *self._origin[piece])
        if self._everything is not None:
            return Tainted(path, _TOO_MUCH, *self._everything)
        return None


class _TooMuch(Exception):
    """More text than is looked at."""


def _pieces(value: Any) -> Iterator[str]:
    """What of a value would be recognised elsewhere."""
    size = 0
    for _, leaf in _leaves(value):
        text = leaf if isinstance(leaf, str) else json.dumps(leaf)
        size += len(text)
        if size > _MOST_TEXT:
            raise _TooMuch
        yield from _pieces_of(_plain(text))
        if "%" in text:
            yield from _pieces_of(_plain(unquote(text)))
        if "&" in text:
            yield from _pieces_of(_plain(unescape(text)))


def _pieces_of(text: str) -> Iterator[str]:
    whole = text.strip(_EDGES)
    if len(whole) >= (_LEAST_WORD if whole.isalpha() else _LEAST) and len(whole.split()) < _PHRASE:
        yield whole
    for match in _NAMED.finditer(text):
        yield from _parts(match[0].strip(_EDGES))
    words = _WORD.findall(text)
    for at in range(len(words) - _PHRASE + 1):
        yield " ".join(words[at : at + _PHRASE])


def _parts(named: str) -> Iterator[str]:
    """Something that has a name, and what of it names something by itself."""
    if len(named) >= _LEAST:
        yield named
    for left_out in (r"\D", r"[\s.,:_-]"):
        bare = re.sub(left_out, "", named)
        if len(bare) >= _LEAST and any(map(str.isdigit, bare)):
            yield bare
    if "://" in named:
        host = named.partition("://")[2].partition("/")[0]
        yield host.rpartition("@")[2]
    if "@" in named[1:]:
        yield named.rpartition("@")[2]


def _as_json(result: Any) -> Any:
    """A result, whatever its type, as plain values.

    Raises:
        ValueError: it has no such form, or is nested too deep.
    """
    return to_jsonable_python(result, fallback=str, serialize_unknown=True, inf_nan_mode="null")


def _values(result: Any) -> Iterator[Any]:
    """What a result says, without the keys that are its tool's own words and no addresses."""
    if isinstance(result, dict):
        yield from filter(_ADDRESSED.search, result)
        for part in result.values():
            yield from _values(part)
    elif isinstance(result, list):
        for part in result:
            yield from _values(part)
    else:
        yield result


def _plain(text: str) -> str:
    """The text without what can be written in two ways: case, width, spaces, joiners."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(each for each in folded if unicodedata.category(each) != "Cf")
    return re.sub(r"\s+", " ", visible)


def _leaves(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Each plain value with its path; a key that is not the name of an argument is a value, too."""
    if depth > _DEPTH:
        yield path, str(value)
    elif isinstance(value, dict):
        for key, part in value.items():
            if depth:
                yield f"{path}.{key}", str(key)
            yield from _leaves(part, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list | tuple):
        for at, part in enumerate(value):
            yield from _leaves(part, f"{path}[{at}]", depth + 1)
    elif value is not None and not isinstance(value, bool):
        yield path, value
