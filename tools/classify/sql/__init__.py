"""What a statement of SQL does, by its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .anywhere import classify_anywhere
from .dialects import DIALECTS, find_dialect
from .texts import irreversible, judge_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...effect import Classification, EffectRule

__all__ = ["by_sql", "classify_sql"]

ANYWHERE = "any"
"""The dialect of a server that is not known."""


def classify_sql(
    statement: str, *, dialect: str = "postgres", transactional: bool = False
) -> Classification:
    """The effect of a text of SQL; of several statements, that of the gravest.

    What it does not know, or cannot read for sure, is irreversible.

    Args:
        statement: the text, as it is sent to the server.
        dialect: `postgres`, `mysql`, `sqlite`, `tsql`, `bigquery`, `snowflake`, `duckdb` or
            `oracle`, or SQLAlchemy's name for one of them; `any` where the server is not known.
        transactional: the text runs in a transaction of its own that can be rolled back; what a
            rollback undoes is reversible then.
    """
    if dialect == ANYWHERE:
        return classify_anywhere(statement)
    known = find_dialect(dialect)
    if known is None:
        return irreversible("sql-dialect", f"The dialect `{dialect}` is not known.")
    return judge_text(statement, known, transactional=transactional)


def by_sql(argument: str, *, dialect: str = "postgres", transactional: bool = False) -> EffectRule:
    """A tool's effect by the statement in one of its arguments: `@tool(effect=by_sql("query"))`.

    Raises:
        ValueError: the dialect is not known.
    """
    if dialect != ANYWHERE and find_dialect(dialect) is None:
        raise ValueError(f"The dialect '{dialect}' is not known. Known are: {', '.join(DIALECTS)}.")

    def rule(args: Mapping[str, Any]) -> Classification:
        statement = args.get(argument)
        if not isinstance(statement, str):
            return irreversible("sql-missing", f"The argument `{argument}` holds no statement.")
        return classify_sql(statement, dialect=dialect, transactional=transactional)

    undone = ", in a transaction" if transactional else ""
    rule.__name__ = rule.__qualname__ = f"by_sql({argument}, {dialect}{undone})"
    return rule
