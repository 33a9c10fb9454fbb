"""What a word of a command line is known to become once the shell has expanded it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from .source import text_of
from .unproven import Unproven

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tree_sitter import Node


class Spread(IntEnum):
    """How many words one word may become."""

    ONE = 0
    SAME_START = 1
    """Any number, each with the known start."""
    ANY = 2
    """Any number of any words."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of which `head` is known, and where `exact` nothing else follows.

    `tail` is how each word ends that a pattern matches, where that is known.
    """

    head: str
    exact: bool = True
    spread: Spread = Spread.ONE
    tail: str = ""

    @property
    def may_be_option(self) -> bool:
        """Whether a command might take it for an option."""
        if self.exact:
            return self.head.startswith("-") and self.head != "-"
        return self.spread is Spread.ANY or self.head in {"", "-"} or self.head.startswith("-")

    def after(self, length: int) -> Word:
        """The word without the first letters of its head."""
        return Word(self.head[length:], self.exact, self.spread)


ANYTHING = Word("", exact=False, spread=Spread.ANY)
"""Any number of words of which nothing is known."""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_IN_STRING = re.compile(r'\\([\\"$`])')
_BRACES = re.compile(r"\{.*(?:,|\.\.)", re.DOTALL)
_BEFORE_BRACES = re.compile(r"[^\0*?\[{]*")
_UNQUOTED = frozenset({"word", "number", "test_operator", "brace_expression"})
_MATCHES = frozenset("*?[")
_TAIL = re.compile(r"[\w.-]*$", re.ASCII)


def word_of(node: Node) -> Word:
    """What the word becomes.

    Raises:
        Unproven: it is of a kind that is not known.
    """
    head, exact, spread = "", True, Spread.ONE
    for piece in _pieces(node):
        if exact:
            head += piece.head
        exact = exact and piece.exact
        spread = max(spread, piece.spread)
    unquoted = _unquoted_text(node)
    if _BRACES.search(unquoted):
        start = _BEFORE_BRACES.match(unquoted)
        return Word(start[0] if start else "", exact=False, spread=max(spread, Spread.SAME_START))
    matches = node.type == "word" and spread is Spread.SAME_START
    tail = _TAIL.search(text_of(node)) if matches else None
    return Word(head, exact, spread, tail[0] if tail else "")


def _unquoted_text(node: Node) -> str:
    """The word's text with a NUL in the place of all that is quoted or expanded."""
    if node.type == "concatenation":
        return "".join(_unquoted_text(child) for child in node.children)
    return _ESCAPE.sub("\0", text_of(node)) if node.type in _UNQUOTED else "\0"


def _pieces(node: Node) -> Iterable[Word]:
    kind, text = node.type, text_of(node)
    if kind == "concatenation":
        for child in node.children:
            yield from _pieces(child)
    elif kind in {"word", "number", "test_operator", "$"}:
        yield _unquoted(text)
    elif kind == "raw_string":
        yield Word(text[1:-1])
    elif kind == "ansi_c_string":
        yield Word("", exact=False)
    elif kind == "string":
        yield from _quoted(node)
    elif kind in {"simple_expansion", "expansion", "command_substitution"}:
        yield ANYTHING
    elif kind == "process_substitution":
        yield Word("/dev/fd/", exact=False)
    elif kind in {"arithmetic_expansion", "brace_expression"}:
        yield Word("", exact=False, spread=Spread.SAME_START)
    else:
        raise Unproven("shell-syntax", f"`{text[:40]}` is of a kind that is not known.")


def _unquoted(text: str) -> Word:
    known, rest = "", text
    while rest and rest[0] not in _MATCHES:
        step = 2 if rest[0] == "\\" else 1
        known += rest[step - 1]
        rest = rest[step:]
    if rest:
        return Word(known, exact=False, spread=Spread.SAME_START)
    return Word(known)


def _quoted(node: Node) -> Iterable[Word]:
    own, at = node.text or b"", 1
    for child in node.children:
        if not child.is_named or child.type == "string_content":
            continue
        begin = child.start_byte - node.start_byte
        yield _text(own[at:begin])
        many = child.type != "command_substitution" and "@" in text_of(child)
        spread = Spread.ANY if many else Spread.ONE
        yield Word("", exact=False, spread=spread)
        at = child.end_byte - node.start_byte
    yield _text(own[at:-1])


def _text(content: bytes) -> Word:
    return Word(_IN_STRING.sub(r"\1", content.decode()))
