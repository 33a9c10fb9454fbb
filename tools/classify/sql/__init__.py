"""What a statement of SQL does, by its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...effect import Classification, Effect, Source
from .dialects import DIALECTS, find_dialect
from .scanner import Unsure, scan
from .statements import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...effect import EffectRule
    from .scanner import Token

__all__ = ["by_sql", "classify_sql"]

_GRAVITY = list(Effect)


def classify_sql(
    statement: str, *, dialect: str = "postgres", transactional: bool = False
) -> Classification:
    """The effect of a text of SQL; of several statements, that of the gravest.

    What it does not know, or cannot read for sure, is irreversible.

    Args:
        statement: the text, as it is sent to the server.
        dialect: `postgres`, `mysql`, `sqlite`, `tsql`, `bigquery`, `snowflake`, `duckdb` or
            `oracle`, or SQLAlchemy's name for one of them.
        transactional: the text runs in a transaction of its own that can be rolled back; what a
            rollback undoes is reversible then.
    """
    known = find_dialect(dialect)
    if known is None:
        return _irreversible("sql-dialect", f"The dialect `{dialect}` is not known.")
    try:
        statements = list(_statements(scan(statement, known)))
    except Unsure as doubt:
        return _irreversible(doubt.rule, str(doubt))
    if not statements:
        return _irreversible("sql-empty", "The text holds no statement.")
    # a setting may change what the statements behind it mean
    sets = len(statements) > 1 and any(first.is_word("set", "reset") for first, *_ in statements)
    judged = [
        judge(
            tokens,
            statement[tokens[0].start : tokens[-1].end],
            known,
            transactional=transactional and not sets,
        )
        for tokens in statements
    ]
    return max(judged, key=lambda answer: _GRAVITY.index(answer.effect))


def by_sql(argument: str, *, dialect: str = "postgres", transactional: bool = False) -> EffectRule:
    """A tool's effect by the statement in one of its arguments: `@tool(effect=by_sql("query"))`.

    Raises:
        ValueError: the dialect is not known.
    """
    if find_dialect(dialect) is None:
        raise ValueError(f"The dialect '{dialect}' is not known. Known are: {', '.join(DIALECTS)}.")

    def rule(args: Mapping[str, Any]) -> Classification:
        statement = args.get(argument)
        if not isinstance(statement, str):
            return _irreversible("sql-missing", f"The argument `{argument}` holds no statement.")
        return classify_sql(statement, dialect=dialect, transactional=transactional)

    undone = ", in a transaction" if transactional else ""
    rule.__name__ = rule.__qualname__ = f"by_sql({argument}, {dialect}{undone})"
    return rule


def _statements(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The statements of a text; a semicolon in brackets parts nothing."""
    depth, start = 0, 0
    for at, token in enumerate(tokens):
        depth += token.is_mark("(") - token.is_mark(")")
        if depth == 0 and token.is_mark(";"):
            if at > start:
                yield tokens[start:at]
            start = at + 1
    if start < len(tokens):
        yield tokens[start:]


def _irreversible(rule: str, evidence: str) -> Classification:
    return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, (evidence,))
