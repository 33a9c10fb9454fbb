"""A plain change of the rows of one table, as its text has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...classify.sql import classify_sql
from ...classify.sql.scanner import Kind, Unsure, scan
from ...effect import Effect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...classify.sql.dialects import Dialect
    from ...classify.sql.scanner import Token

_SHAPE = (
    "Only INSERT INTO t (…) VALUES …, UPDATE t SET … WHERE … and DELETE FROM t WHERE … on one "
    "table, without alias, join, RETURNING or ON CONFLICT, can be taken back"
)
_ELSEWHERE = frozenset(
    {"from", "using", "returning", "conflict", "order", "limit", "current", "select", "with"}
)
_BEFORE_NAME = {"insert": ("insert", "into"), "update": ("update",), "delete": ("delete", "from")}


@dataclass(frozen=True, slots=True)
class Change:
    """An INSERT, UPDATE or DELETE.

    Attributes:
        verb: `insert`, `update` or `delete`.
        table: its name, with a schema before it where the text has one, as the database knows it.
        condition: the text after WHERE; None for every row.
        text: the statement, without what is behind it.
    """

    verb: str
    table: tuple[str, ...]
    condition: str | None
    text: str


def one_statement(statement: str, dialect: Dialect) -> tuple[Token, ...]:
    """The tokens of a text that holds one statement, without a last semicolon.

    Raises:
        ValueError: it holds none, or several, or cannot be read for sure.
    """
    try:
        tokens = scan(statement, dialect)
    except Unsure as doubt:
        raise ValueError(str(doubt).rstrip(".")) from None
    while tokens and tokens[-1].is_mark(";"):
        tokens = tokens[:-1]
    if not tokens or any(token.is_mark(";") for token in tokens):
        raise ValueError("The text must hold one statement")
    return tokens


def read_change(statement: str, dialect: Dialect) -> Change:
    """The change that a statement makes.

    Raises:
        ValueError: it is none, or one that could not be taken back.
    """
    tokens = one_statement(statement, dialect)
    judged = classify_sql(statement, dialect=dialect.name, transactional=True)
    if judged.effect is not Effect.REVERSIBLE:
        raise ValueError(f"{_SHAPE}. {' '.join(judged.evidence)}".rstrip("."))
    verb = tokens[0].value if tokens[0].kind is Kind.WORD else ""
    before = _BEFORE_NAME.get(verb, ())
    if not before or [token.value for token in tokens[: len(before)]] != list(before):
        raise ValueError(_SHAPE)
    table, rest = _name(tokens[len(before) :], dialect)
    if not _starts_as_it_should(verb, rest) or _reaches_elsewhere(rest):
        raise ValueError(_SHAPE)
    text = statement[tokens[0].start : tokens[-1].end]
    return Change(verb, table, _condition(statement, rest), text)


def _name(tokens: Sequence[Token], dialect: Dialect) -> tuple[tuple[str, ...], Sequence[Token]]:
    parts: list[str] = []
    while tokens and tokens[0].kind in (Kind.WORD, Kind.QUOTED):
        parts.append(_as_known(tokens[0], dialect))
        tokens = tokens[1:]
        if not tokens or not tokens[0].is_mark("."):
            break
        tokens = tokens[1:]
    if not 0 < len(parts) <= 2:  # noqa: PLR2004 - a schema and a table
        raise ValueError(_SHAPE)
    return tuple(parts), tokens


def _as_known(token: Token, dialect: Dialect) -> str:
    """A name as the catalogue has it: PostgreSQL folds plain ones, SQLite compares without case."""
    plain = (
        token.value if token.kind is Kind.QUOTED and dialect.is_postgres else token.value.lower()
    )
    if not plain or not plain.isprintable() or set(plain) & set("\"'`[]\\"):
        raise ValueError(f"The name '{plain}' is not plain")
    return plain


def _starts_as_it_should(verb: str, rest: Sequence[Token]) -> bool:
    if verb == "update":
        return bool(rest) and rest[0].is_word("set")
    if verb == "delete":
        return not rest or rest[0].is_word("where")
    return bool(rest) and (rest[0].is_mark("(") or rest[0].is_word("values", "default"))


def _reaches_elsewhere(rest: Sequence[Token]) -> bool:
    """Whether it names other tables, or rows beyond its condition, outside of brackets."""
    return any(token.is_word(*_ELSEWHERE) for token in _outside(rest)) or any(
        token.is_word(*_BEFORE_NAME, "merge", "returning") for token in rest
    )


def _outside(tokens: Sequence[Token]) -> list[Token]:
    """The tokens that are in no brackets."""
    found, depth = [], 0
    for token in tokens:
        depth -= token.is_mark(")", "]")
        if depth == 0:
            found.append(token)
        depth += token.is_mark("(", "[")
    return found


def _condition(statement: str, rest: Sequence[Token]) -> str | None:
    where = next((token for token in _outside(rest) if token.is_word("where")), None)
    return None if where is None else statement[where.end : rest[-1].end]
