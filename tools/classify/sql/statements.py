"""One statement: what it is by its first words, and what that means."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ...effect import Classification, Effect, Source
from .calls import closing
from .reading import (
    QUERY_WORDS,
    READING_PRAGMAS,
    begins_query,
    check_planned,
    check_query,
    names_file,
)
from .scanner import Kind, Unsure
from .words import words
from .writes import judge_write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .dialects import Dialect
    from .scanner import Token

_PLANNED = frozenset({"insert", "update", "delete", "merge"})
_EXPLAIN_WORDS = words(
    "analyze analyse verbose costs settings generic_plan buffers serialize wal timing summary"
    " memory format on off true false none text binary json xml yaml tree traditional"
    " extended formatted partitions"
)
_ON = frozenset({"analyze", "analyse"})
_SHOWING = frozenset({"postgres", "mysql", "snowflake", "duckdb"})
_DESCRIBING = frozenset({"mysql", "snowflake", "duckdb"})
_BEGINS_ANOTHER = words(
    "drop truncate shutdown exec execute alter kill backup restore dbcc grant revoke deny bulk"
    " waitfor reconfigure insert merge update delete program"
)
_TAKES_ARGUMENT = words(
    "foreign_key_check foreign_key_list index_info index_list index_xinfo integrity_check"
    " quick_check table_info table_list table_xinfo"
)


def judge(
    tokens: Sequence[Token], text: str, dialect: Dialect, *, transactional: bool
) -> Classification:
    """The effect of one statement, of which `text` is what its author wrote."""
    try:
        return _read(tokens, dialect)
    except Unsure as doubt:
        return judge_write(tokens, text, dialect, doubt, transactional=transactional)


def _read(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    if begins_query(tokens, dialect):
        check_query(tokens, dialect)
        return _reading(
            "sql-query", "It is one query, and all that it calls is known to only read."
        )
    check = _CHECKS.get(tokens[0].value) if tokens[0].kind is Kind.WORD else None
    if check is None:
        raise Unsure("It does not begin as a statement that reads.", "sql-not-a-query")
    return check(tokens, dialect)


def _reading(rule: str, evidence: str) -> Classification:
    return Classification(Effect.READ, Source.INFERRED, rule, (evidence,))


def _explain(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    runs, inner = explained(tokens)
    only_plans = dialect.is_postgres and not runs
    if only_plans and len(inner) > 1 and inner[0].is_word("execute"):
        check_planned(inner[2:], dialect)  # behind the prepared statement's name
        return _reading("sql-explain", "EXPLAIN without ANALYZE plans what was prepared.")
    is_query = begins_query(inner)
    if not is_query and not (only_plans and inner and inner[0].is_word(*_PLANNED)):
        raise Unsure("What it explains is not known to only read.", "sql-explain-unknown")
    try:
        check_query(inner, dialect)
    except Unsure:
        if not only_plans:
            raise
        check_planned(inner, dialect)
    if runs:
        return _reading("sql-explain-analyze", "EXPLAIN ANALYZE runs its query, which only reads.")
    return _reading(
        "sql-explain", "EXPLAIN without ANALYZE plans its statement and does not run it."
    )


def explained(tokens: Sequence[Token]) -> tuple[bool, Sequence[Token]]:
    """Whether the explained statement runs, and its tokens."""
    if tokens[1:2] and tokens[1].is_mark("(") and not begins_query(tokens[1:]):
        end = next((at for at, token in enumerate(tokens) if token.is_mark(")")), len(tokens))
        options = tokens[2:end]
        if any(
            option.kind is Kind.WORD and option.value not in _EXPLAIN_WORDS for option in options
        ):
            raise Unsure("An option of EXPLAIN is not known.", "sql-explain-unknown")
        return _is_on(options), tokens[end + 1 :]
    at = 1
    while at < len(tokens) and (
        tokens[at].is_word(*_EXPLAIN_WORDS, "query", "plan") or tokens[at].value == "="
    ):
        at += 1
    return any(token.is_word(*_ON) for token in tokens[1:at]), tokens[at:]


def _is_on(options: Sequence[Token]) -> bool:
    if any(option.kind is Kind.QUOTED for option in options):
        raise Unsure("An option of EXPLAIN is not known.", "sql-explain-unknown")
    following = [*options[1:], None]
    return any(
        option.is_word(*_ON) and not (after is not None and after.is_word("off", "false"))
        for option, after in zip(options, following, strict=True)
    )


def _check_one(tokens: Sequence[Token]) -> None:
    """SQL Server goes on with a batch behind a procedure that it does not have: `SHOW x DROP …`."""
    if any(token.kind is Kind.WORD and token.value in _BEGINS_ANOTHER for token in tokens):
        raise Unsure("Another statement may begin within it.", "sql-write")
    if any("://" in token.value for token in tokens):
        raise Unsure("It names an address.", "sql-reads-file")


def _show(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    _check_one(tokens[1:])
    plain = all(_is_shown(token) for token in tokens[1:])
    if dialect.name not in _SHOWING or not plain or len(tokens) == 1:
        raise Unsure("It shows more than a name.", "sql-not-a-query")
    return _reading("sql-show", "It shows what is set or what there is.")


def _is_shown(token: Token) -> bool:
    """Whether it may be a part of what is shown; without brackets nothing is called."""
    named = (Kind.WORD, Kind.QUOTED, Kind.STRING, Kind.NUMBER, Kind.PLACEHOLDER)
    compares = token.kind is Kind.OPERATOR and token.value in {"=", "@"}
    return token.kind in named or compares or token.is_mark(".", ",")


def _describe(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    if begins_query(tokens[1:]) and not tokens[1].is_word("table"):
        return _explain(tokens, dialect)
    _check_one(tokens[1:])
    named = (Kind.WORD, Kind.QUOTED)
    plain = all(token.kind in named or token.is_mark(".") for token in tokens[1:])
    writes = any(token.kind is Kind.WORD and token.value in dialect.forbidden for token in tokens)
    plain = plain and not any(names_file(*pair, dialect) for pair in pairwise(tokens))
    if dialect.name not in _DESCRIBING or not plain or writes:
        raise Unsure("It describes more than a name.", "sql-not-a-query")
    return _reading("sql-show", "It describes a table.")


def _summarize(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    if dialect.name != "duckdb" or begins_query(tokens[1:]):
        raise Unsure("It does not begin as a statement that reads.", "sql-not-a-query")
    return _describe(tokens, dialect)


def _copy(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    if not dialect.is_postgres:
        raise Unsure("COPY reads or writes files.", "sql-copy")
    at = 1
    if tokens[1:2] and tokens[1].is_mark("("):
        at = closing(tokens, 1)
        check_query(tokens[2:at], dialect)
        at += 1
    else:
        while at < len(tokens) and not tokens[at].is_word("to", "from"):
            at += 1
    _check_one(tokens[at:])
    ending = tokens[at : at + 2]
    if len(ending) < 2 or not (ending[0].is_word("to") and ending[1].is_word("stdout")):  # noqa: PLR2004
        raise Unsure("It copies into a table, or into a file or program of the server.", "sql-copy")
    return _reading("sql-copy-to-client", "It sends what it reads to the client.")


def _pragma(tokens: Sequence[Token], dialect: Dialect) -> Classification:
    rest = tokens[3:] if len(tokens) > 2 and tokens[2].is_mark(".") else tokens[1:]  # noqa: PLR2004
    name = rest[0].value if rest and rest[0].kind is Kind.WORD else ""
    asks = len(rest) == 1
    names_one = (
        len(rest) == 4  # noqa: PLR2004 - name ( one )
        and name in _TAKES_ARGUMENT
        and rest[1].is_mark("(")
        and rest[2].kind in {Kind.WORD, Kind.QUOTED, Kind.STRING, Kind.NUMBER}
    )
    if dialect.name != "sqlite" or name not in READING_PRAGMAS or not (asks or names_one):
        raise Unsure("Not every PRAGMA only reads, and this one may not.", "sql-pragma")
    return _reading("sql-pragma-reads", f"PRAGMA {name} only reads.")


_CHECKS: dict[str, Callable[[Sequence[Token], Dialect], Classification]] = {
    "explain": _explain,
    "show": _show,
    "describe": _describe,
    "desc": _describe,
    "summarize": _summarize,
    "copy": _copy,
    "pragma": _pragma,
}
STARTS_READING = QUERY_WORDS | _CHECKS.keys() | {"from"}
"""The first words of what may read, in one dialect or another."""
