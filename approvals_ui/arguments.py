"""A call's arguments as rows to read and as fields to edit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..engine.digest import canonical
from .marks import Oddity, Piece, oddities, pieces
from .words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONG = 120
"""Characters; a longer value is folded behind its beginning."""
_BEGINNING = 80
_MANY_NOTES = 4
_SCALARS = {bool: "boolean", int: "integer", float: "number", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Value:
    """Any text from outside, ready to be shown: pieces, folded or not, with what is odd in it."""

    pieces: tuple[Piece, ...]
    beginning: tuple[Piece, ...]
    """Of a long value; else empty."""
    is_block: bool
    """Line breaks and indentation count."""
    oddities: tuple[Oddity, ...]
    more_oddities: int


@dataclass(frozen=True, slots=True)
class ArgumentRow:
    """One argument of a call."""

    name: Value
    type: str
    value: Value
    before: Value | None = None
    """What it was before a person edited it."""

    @property
    def is_odd(self) -> bool:
        """Whether a character in it is not what it seems."""
        return bool(self.value.oddities or self.name.oddities)


def shown(text: str) -> Value:
    """Untrusted text with its odd characters found and its length tamed."""
    odd = oddities(text)
    is_long = len(text) > LONG or text.count("\n") > 2  # noqa: PLR2004 - three lines stay open
    beginning = " ".join(text.split())[:_BEGINNING]
    return Value(
        pieces=pieces(text),
        beginning=pieces(beginning + " …") if is_long else (),
        is_block="\n" in text,
        oddities=odd[:_MANY_NOTES],
        more_oddities=max(0, len(odd) - _MANY_NOTES),
    )


def value_of(value: Any) -> Value:
    """A JSON value: text as it is, the rest as JSON."""
    return shown(value if isinstance(value, str) else as_text(value))


def as_text(value: Any) -> str:
    """A value as JSON: one line if it is small."""
    try:
        line = canonical(value).decode()
        if len(line) <= _BEGINNING or not isinstance(value, (dict, list)):
            return line
        return json.dumps(value, ensure_ascii=False, indent=2)
    except (TypeError, ValueError):
        return str(value)


def type_of(value: Any) -> str:
    """The JSON type, with an extent where that helps."""
    if isinstance(value, str):
        return "string" if len(value) <= LONG else f"string, {len(value):,} characters"
    if isinstance(value, list):
        return f"list, {plural(len(value), 'item')}"
    if isinstance(value, dict):
        return f"object, {plural(len(value), 'field')}"
    return _SCALARS.get(type(value), "value")


def rows(
    args: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    order: Iterable[str] = (),
) -> tuple[ArgumentRow, ...]:
    """The arguments; with `before`, each changed one has its old value beside it.

    `order` is that of the tool's signature: the stored bytes have them by name.
    """
    old = args if before is None else before
    names = dict.fromkeys([*(name for name in order if name in args), *args, *old])
    return tuple(
        ArgumentRow(
            name=shown(name),
            type=type_of(args[name]) if name in args else "left out",
            value=value_of(args[name]) if name in args else shown("left out"),
            before=_before(name, args, old),
        )
        for name in names
    )


def _before(name: str, args: Mapping[str, Any], old: Mapping[str, Any]) -> Value | None:
    if name not in old:
        return shown("left out")
    if name in args and as_text(args[name]) == as_text(old[name]):
        return None
    return value_of(old[name])


def figure(value: Any) -> str:
    """A measured fact: numbers with separators, text as it is."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int):
        return f"{value:,}"
    if value is None:
        return "None"
    return value if isinstance(value, str) else as_text(value)


def digest_groups(digest: bytes) -> str:
    """A SHA-256 shortened for the eye; the whole one is on the page as well."""
    text = digest.hex()
    return f"{text[:4]} {text[4:8]} … {text[-4:]}"
