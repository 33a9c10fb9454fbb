"""`overlay(a placing b from c)` and its kind, as ordinary calls for sqlglot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .builtin_types import end_of_type
from .scanner import Kind, Token, Unsure
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT = words("extract normalize overlay position substring trim")
_XML = words(
    "xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot xmlserialize"
)
_JSON = words(
    "json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar"
    " json_serialize json_value"
)
SPECIAL_FORMS = _TEXT | _XML | _JSON
"""Keywords of PostgreSQL's grammar, which no function of anybody's own can be called by."""


@dataclass(frozen=True, slots=True)
class _Words:
    """What stands between a form's arguments, and what stands in it besides."""

    separators: frozenset[str]
    noise: frozenset[str]


_WORDS_OF_TEXT = _Words(
    words("escape for from in placing similar"),
    words("both leading trailing"),
)
_WORDS_OF_XML = _Words(
    words("passing standalone version"),
    words("by content document indent name no preserve ref strip value whitespace yes"),
)
_WORDS_OF_JSON = _Words(
    words("default passing value"),
    words(
        "absent array conditional encoding error format keep key keys object omit quotes scalar"
        " string unconditional unique utf8 with without wrapper"
    ),
)


# Where an ORDER BY may stand among the arguments.
_CALLED = {"json_arrayagg": "array_agg"}


def plain_forms(tokens: Sequence[Token]) -> list[Token]:
    """The tokens, with each special form as a call whose arguments stand between commas.

    Raises:
        Unsure: a form converts to a type that is not built in.
    """
    return _Forms(tokens).all()


class _Forms:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._plain: list[Token] = []
        self._open: list[str] = []

    def all(self) -> list[Token]:
        at = 0
        while at < len(self._tokens):
            at = self._step(at)
        return self._plain

    def _step(self, at: int) -> int:
        token = self._tokens[at]
        if token.is_mark("(", "["):
            self._open.append("")
        elif token.is_mark(")", "]"):
            if self._open.pop() and self._plain[-1].is_mark(","):
                self._plain.pop()
        elif token.kind is Kind.WORD and not self._is_mark(at - 1, "."):
            if token.value in SPECIAL_FORMS and self._is_mark(at + 1, "("):
                return self._opening(at)
            if self._open and self._open[-1]:
                return self._inside(at)
        elif token.is_mark(":") and self._open and self._open[-1].startswith("json"):
            return self._separate(at)
        self._plain.append(token)
        return at + 1

    def _opening(self, at: int) -> int:
        token = self._tokens[at]
        holds_query = self._is_word(at + 2, "select", "values", "with")
        self._open.append("" if holds_query else token.value)
        self._emit(
            token, Kind.WORD, "array" if holds_query else _CALLED.get(token.value, "coalesce")
        )
        self._emit(token, Kind.MARK, "(")
        if not holds_query and token.value not in _CALLED:
            self._emit(token, Kind.NUMBER, "1")
            self._emit(token, Kind.MARK, ",")
        return at + 2

    def _inside(self, at: int) -> int:
        word, form = self._tokens[at].value, self._open[-1]
        words = _words_of(form)
        if word == "as":
            return self._renamed(at + 1)
        if form in _JSON and word == "returning":
            return self._typed(at + 1)
        if form in _JSON and word == "on":
            return at + 2
        if word in words.separators:
            return self._separate(at)
        is_name = self._is_mark(at + 1, "(") or self._is_mark(at + 1, ".")
        before_on = form in _JSON and self._is_word(at + 1, "on")
        if (word in words.noise and not is_name) or before_on:
            return at + 1
        self._plain.append(self._tokens[at])
        return at + 1

    def _renamed(self, at: int) -> int:
        return self._typed(at) if self._open[-1] == "xmlserialize" else at + 1

    def _typed(self, at: int) -> int:
        end = end_of_type(self._tokens, at)
        if end is None:
            raise Unsure("It converts to a type that is not built in.", "sql-user-type")
        return end

    def _emit(self, token: Token, kind: Kind, value: str) -> None:
        self._plain.append(Token(kind, value, token.start, token.end))

    def _separate(self, at: int) -> int:
        if not self._plain[-1].is_mark(","):
            self._emit(self._tokens[at], Kind.MARK, ",")
        return at + 1

    def _is_mark(self, at: int, mark: str) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].is_mark(mark)

    def _is_word(self, at: int, *words: str) -> bool:
        return at < len(self._tokens) and self._tokens[at].is_word(*words)


def _words_of(form: str) -> _Words:
    if form in _TEXT:
        return _WORDS_OF_TEXT
    return _WORDS_OF_XML if form in _XML else _WORDS_OF_JSON
