"""Text as pieces: identifiers that never break, and characters that are not what they seem.

A value comes from a model. A Cyrillic letter among Latin ones, a character without a shape, or one
that turns the writing direction shows a reviewer something else than what would run.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby

_LOOKS_LIKE = dict(
    zip(
        "асеорхуѕіјһԁѡԛԝАВСЕНІЈКМОРЅТХУѴΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρυıՕօսհոԍɡℓ",
        "aceopxysijhdwqwABCEHIJKMOPSTXYVABEZHIKMNOPTYXovpuiOouhnGgl",
        strict=True,
    )
)
"""The letters of other scripts that are most often passed off as Latin; Unicode TR 39 has more,
which are caught where they stand among Latin letters."""
_PLAIN_CONTROLS = "\n\t"
_WORD = re.compile(r"[^\W_]+")
_IDENTIFIER = re.compile(r"\b(?=[\w./@-]*\d)[A-Za-z][\w./@]*-[\w./@-]*\w\b", re.ASCII)
_IDENTIFIER_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text: `plain`, an identifier (`id`), or one odd character (`glyph`)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Oddity:
    """One odd character: its place from 1, its code point and name, and what it is taken for."""

    place: int
    character: str
    code: str
    name: str
    instead_of: str | None


def oddities(text: str) -> tuple[Oddity, ...]:
    """Characters that have no shape, turn the direction, or look like another one."""
    mixed = _among_latin(text)
    found = []
    for index, character in enumerate(text):
        if _is_hidden(character):
            shape = None
        elif index in mixed or _is_disguised(character):
            shape = _LOOKS_LIKE.get(character) or unicodedata.normalize("NFKC", character)
            shape = None if shape == character else shape
        else:
            continue
        code = f"U+{ord(character):04X}"
        name = unicodedata.name(character, "no name")
        found.append(Oddity(index + 1, character, code, name, shape))
    return tuple(found)


def pieces(text: str) -> tuple[Piece, ...]:
    """The text in order; a hidden character is shown as its code point."""
    odd = {oddity.place - 1: oddity for oddity in oddities(text)}
    found: list[Piece] = []
    for is_odd, run in groupby(range(len(text)), key=odd.__contains__):
        places = list(run)
        if not is_odd:
            found += _plain(text[places[0] : places[-1] + 1])
            continue
        found += [
            Piece("glyph", odd[place].code if _is_hidden(text[place]) else text[place])
            for place in places
        ]
    return tuple(found)


def _plain(text: str) -> list[Piece]:
    found, end = [], 0
    for match in _IDENTIFIER.finditer(text):
        if len(match.group()) > _IDENTIFIER_LENGTH:
            continue
        found += [Piece("plain", text[end : match.start()]), Piece("id", match.group())]
        end = match.end()
    found.append(Piece("plain", text[end:]))
    return [piece for piece in found if piece.text]


def _is_hidden(character: str) -> bool:
    if character in _PLAIN_CONTROLS or character == " ":
        return False
    category = unicodedata.category(character)
    return (
        category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
        or character in "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5"
        or 0xFE00 <= ord(character) <= 0xFE0F  # noqa: PLR2004 - variation selectors
        or 0xE0100 <= ord(character) <= 0xE01EF  # noqa: PLR2004 - and their supplement
    )


def _is_disguised(character: str) -> bool:
    """Styled or full-width ASCII, such as mathematical letters."""
    if character.isascii():
        return False
    plain = unicodedata.normalize("NFKC", character)
    return len(plain) == 1 and plain.isascii() and plain.isalnum()


def _among_latin(text: str) -> frozenset[int]:
    """The places of foreign letters in words that have Latin ones, or only look Latin."""
    found: set[int] = set()
    all_ascii_else = all(c.isascii() or c in _LOOKS_LIKE for c in text)
    for match in _WORD.finditer(text):
        letters = [i for i in range(*match.span()) if text[i].isalpha()]
        foreign = [i for i in letters if not _is_latin(text[i])]
        looks_latin = all_ascii_else and all(text[i] in _LOOKS_LIKE for i in foreign)
        if foreign and (len(foreign) < len(letters) or looks_latin):
            found.update(foreign)
    return frozenset(found)


def _is_latin(character: str) -> bool:
    if character.isascii():
        return True
    name = unicodedata.name(character, "")
    return name.startswith("LATIN ") and character not in _LOOKS_LIKE
