"""Tokens spelled for sqlglot: strings and odd names by stand-ins, PostgreSQL's forms plainly.

What is rewritten here changes no function, table or statement that `calls` and `reading` judge; it
only lets sqlglot read the structure of what it otherwise would not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .builtin_types import end_of_type, end_of_units
from .scanner import Kind, Token, Unsure
from .special_forms import plain_forms
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dialects import Dialect

A_STRING = "a string"
_SIMPLE_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_QUOTES = {"mysql": ("`", "`"), "bigquery": ("`", "`"), "tsql": ("[", "]")}
_KEPT_OPERATORS = frozenset({"+", "-", "*", "/", "<", ">", "=", "<=", ">=", "<>", "!=", "::", "=>"})
_BEFORE_STRING = words(
    "all and any array between both by case distinct else for from having ilike in leading like"
    " limit not offset on or placing returning select similar symmetric then to trailing using when"
    " where with as"
)
_LETTERS = {
    "search": "S",
    "depth": "D",
    "breadth": "D",
    "first": "F",
    "by": "B",
    "set": "T",
    "cycle": "C",
    "using": "U",
    "to": "O",
    "default": "E",
    "true": "v",
    "false": "v",
}
_ORDERS = re.compile(r"SDFBn(?:,n)*Tn|Cn(?:,n)*Tn(?:OvEv)?Un")
_LONGEST_ORDER = 60
_AFTER_VALUE = (Kind.STRING, Kind.PLACEHOLDER, Kind.QUOTED)


def spell(tokens: Sequence[Token], dialect: Dialect) -> str:
    """A text with the same structure, for sqlglot.

    Raises:
        Unsure: it converts to a type that is not built in, or uses an operator of a schema.
    """
    if dialect.is_postgres:
        tokens = _plain_postgres(tokens)
    return " ".join(_spelled(token, dialect) for token in tokens)


def _spelled(token: Token, dialect: Dialect) -> str:
    if token.kind is Kind.STRING:
        return f"'{A_STRING}'"
    if token.kind in {Kind.NUMBER, Kind.PLACEHOLDER}:
        return "1"
    if token.kind is Kind.QUOTED:
        opening, closing = _QUOTES.get(dialect.name, ('"', '"'))
        name = token.value if _SIMPLE_NAME.fullmatch(token.value) else "quoted_name"
        return f"{opening}{name}{closing}"
    if token.kind is Kind.WORD and not _SIMPLE_NAME.fullmatch(token.value):
        return "odd_name"
    return token.value


def _plain_postgres(tokens: Sequence[Token]) -> list[Token]:
    plain = plain_forms(_with_plain_operators(_without_order_of_recursion(tokens)))
    plain = _without_typed_literals(plain)
    plain = _with_plain_casts(plain)
    return _PlainWords(plain).all()


def _without_order_of_recursion(tokens: Sequence[Token]) -> list[Token]:
    """`with recursive … as (…) search depth first by a set b`: names alone, which call nothing."""
    plain: list[Token] = []
    at = 0
    while at < len(tokens):
        behind = plain[-1:] and plain[-1].is_mark(")")
        end = _end_of_order(tokens, at) if behind else at
        if end == at:
            plain.append(tokens[at])
            end += 1
        at = end
    return plain


def _end_of_order(tokens: Sequence[Token], at: int) -> int:
    """Where a SEARCH or CYCLE clause that begins at `at` ends; `at` itself where none does."""
    if not (found := _ORDERS.match("".join(map(_letter, tokens[at : at + _LONGEST_ORDER])))):
        return at
    return at + found.end()


def _letter(token: Token) -> str:
    if token.kind is Kind.WORD:
        return _LETTERS.get(token.value, "n")
    if token.is_mark(","):
        return ","
    if token.kind in {Kind.STRING, Kind.NUMBER}:
        return "v"
    return "n" if token.kind is Kind.QUOTED else "."


def _with_plain_operators(tokens: Sequence[Token]) -> list[Token]:
    """`operator(pg_catalog.~)` is an operator like others."""
    plain: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.is_word("operator") and tokens[at : at + 1] and tokens[at].is_mark("("):
            if tokens[at + 1].is_word("pg_catalog"):
                at += 2
            if tokens[at + 1].kind is not Kind.OPERATOR or not tokens[at + 2].is_mark(")"):
                raise Unsure("It uses an operator of a schema of its own.", "sql-user-operator")
            token = Token(Kind.OPERATOR, "~", token.start, token.end)
            at += 3
        plain.append(token)
    return plain


def _without_typed_literals(
    tokens: Sequence[Token], besides: frozenset[str] = frozenset()
) -> list[Token]:
    """`jsonb '{}'` is a string to sqlglot."""
    plain: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = end_of_type(tokens, at)
        if end is not None and end < len(tokens) and tokens[end].kind is Kind.STRING:
            plain.append(tokens[end])
            is_interval = any(word.is_word("interval") for word in tokens[at:end])
            at = end_of_units(tokens, end + 1) if is_interval else end + 1
            continue
        follows_string = bool(plain) and plain[-1].kind is Kind.STRING
        at += 1
        if follows_string and (token.kind is Kind.STRING or token.is_word("uescape")):
            continue
        if token.kind is Kind.STRING and plain:
            _check_before_string(plain, besides)
        plain.append(token)
    return plain


def check_typed_literals(tokens: Sequence[Token], besides: frozenset[str]) -> None:
    """Check that no string is made a value of a type that is not built in.

    Args:
        tokens: a statement.
        besides: other words that may stand before a string.

    Raises:
        Unsure: one is.
    """
    _without_typed_literals(tokens, besides)


def _check_before_string(tokens: Sequence[Token], besides: frozenset[str]) -> None:
    before = tokens[-1]
    known = before.kind is not Kind.QUOTED and not before.is_mark(")")
    if before.kind is Kind.WORD:
        second = tokens[-2] if len(tokens) > 1 else before
        known = (
            before.value in _BEFORE_STRING | besides
            or (before.value == "zone" and second.is_word("time"))
            or (before.value == "escape" and second.kind in _AFTER_VALUE)
        )
    if not known:
        raise Unsure(
            f"`{before.value} '…'` makes a value of a type that is not built in; what that runs"
            " is not known.",
            "sql-user-type",
        )


def _with_plain_casts(tokens: Sequence[Token]) -> list[Token]:
    plain: list[Token] = []
    at, casts = 0, [False]
    while at < len(tokens):
        token = tokens[at]
        if token.is_mark("(", "["):
            casts.append(bool(plain) and plain[-1].is_word("cast", "treat"))
        elif token.is_mark(")", "]") and len(casts) > 1:
            casts.pop()
        plain.append(token)
        at += 1
        is_cast = token.kind is Kind.OPERATOR and token.value == "::"
        if is_cast or (casts[-1] and token.is_word("as")):
            at = checked_end_of_type(tokens, at)
            plain.append(Token(Kind.WORD, "text", token.start, token.end))
    return plain


def checked_end_of_type(tokens: Sequence[Token], at: int) -> int:
    """The index behind the built-in type that must stand at `at`.

    Raises:
        Unsure: the type is not built in.
    """
    end = end_of_type(tokens, at)
    if end is None:
        name = tokens[at].value if at < len(tokens) else ""
        raise Unsure(
            f"It converts to `{name}`, a type that is not built in; what that runs is not known.",
            "sql-user-type",
        )
    return end


class _PlainWords:
    """One walk over a statement that leaves out or rewrites what sqlglot does not read."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._plain: list[Token] = []
        self._brackets: list[str] = []

    def all(self) -> list[Token]:
        """The whole statement."""
        at = 0
        while at < len(self._tokens):
            at = self._step(at)
        return self._plain

    def _step(self, at: int) -> int:
        token = self._tokens[at]
        if token.kind is Kind.OPERATOR:
            return self._operator(at)
        if token.kind is Kind.WORD:
            return self._word(at)
        if token.is_mark(":"):
            return self._colon(at)
        if token.is_mark("(", "["):
            self._brackets.append(token.value)
        elif token.is_mark(")", "]"):
            self._brackets.pop()
        return self._keep(at)

    def _keep(self, at: int) -> int:
        self._plain.append(self._tokens[at])
        return at + 1

    def _emit(self, token: Token, kind: Kind, value: str) -> None:
        self._plain.append(Token(kind, value, token.start, token.end))

    def _operator(self, at: int) -> int:
        token = self._tokens[at]
        value = token.value
        if value == ":=":
            value = "=>"
        elif value not in _KEPT_OPERATORS:
            value = "=" if self._is_word(at + 1, "any", "all", "some") else "-"
        self._emit(token, Kind.OPERATOR, value)
        return at + 1

    def _word(self, at: int) -> int:
        word = self._tokens[at].value
        if word == "using":
            return self._using(at)
        dropped = self._dropped(at)
        if dropped:
            return at + dropped
        if word == "collation" and self._is_word(at + 1, "for"):
            return self._replace(at, 2, "coalesce")
        if word == "table" and self._begins_query():
            return self._replace(at, 1, "select", "*", "from")
        if word in {"unknown", "document", "normalized"} and self._follows("is", "not"):
            return self._replace(at, 1, "null")
        return self._keep(at)

    def _dropped(self, at: int) -> int:
        """How many words from `at` on say nothing of what a statement does."""
        word = self._tokens[at].value
        if word == "collate" and not self._is_mark(at + 1, "("):
            return 4 if self._is_mark(at + 2, ".") else 2
        if word == "at" and self._is_word(at + 1, "local"):
            return 2
        if word == "for" and self._is_word(at + 1, "read") and self._is_word(at + 2, "only"):
            return 3
        return 0

    def _replace(self, at: int, count: int, *plain: str) -> int:
        for value in plain:
            kind = Kind.OPERATOR if value == "*" else Kind.WORD
            self._emit(self._tokens[at], kind, value)
        return at + count

    def _using(self, at: int) -> int:
        following = self._tokens[at + 1] if at + 1 < len(self._tokens) else None
        if following is not None and following.kind is Kind.OPERATOR:
            return at + 2
        if not self._is_mark(at + 1, "("):
            return self._keep(at)
        end = at
        while end < len(self._tokens) and not self._is_mark(end, ")"):
            self._keep(end)
            end += 1
        self._keep(end)
        return end + 3 if self._is_word(end + 1, "as") else end + 1

    def _colon(self, at: int) -> int:
        token = self._tokens[at]
        if self._brackets and self._brackets[-1] == "[":
            if self._plain[-1].is_mark("["):
                self._emit(token, Kind.NUMBER, "1")
            self._emit(token, Kind.MARK, ",")
            if self._is_mark(at + 1, "]"):
                self._emit(token, Kind.NUMBER, "1")
            return at + 1
        self._emit(token, Kind.NUMBER, "1")
        return at + 2

    def _begins_query(self) -> bool:
        words = ("union", "except", "intersect", "all", "distinct")
        return not self._plain or self._plain[-1].is_mark("(", ")") or self._follows(*words)

    def _follows(self, *words: str) -> bool:
        return bool(self._plain) and self._plain[-1].is_word(*words)

    def _is_word(self, at: int, *words: str) -> bool:
        return at < len(self._tokens) and self._tokens[at].is_word(*words)

    def _is_mark(self, at: int, mark: str) -> bool:
        return at < len(self._tokens) and self._tokens[at].is_mark(mark)
