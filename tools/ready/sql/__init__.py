"""Tools for a database of the user's: a read, a change that can be taken back, and all the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, create_model

from ...classify.sql import by_sql
from ...decorator import tool
from ...undo import Undo
from .connection import Patience, UserDatabase
from .work import Bounds, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel
    from sqlalchemy import URL

    from ...gated import GatedTool

__all__ = ["sql_tools"]

_KEY_LIFE = timedelta(days=30)


def sql_tools(
    url: str | URL,
    *,
    most_rows: int = 1_000,
    most_bytes: int = 200_000,
    seconds: float = 10,
    lock_seconds: float = 2,
) -> list[GatedTool]:
    """`sql_query`, `sql_change` and `sql_execute` for one database.

    `sql_change` is there for PostgreSQL and SQLite: it changes rows of one table and keeps what
    they were in the same transaction, in a table `interlock_calls` of that database.

    Args:
        url: as SQLAlchemy takes it; its role is what bounds the tools.
        most_rows: a call that would read or change more is refused.
        most_bytes: of an answer.
        seconds: how long a statement may run (in PostgreSQL and SQLite).
        lock_seconds: how long it may wait for a lock.

    Raises:
        ToolDeclarationError: no rule tells what a statement does in this database.
    """
    database = UserDatabase(url, Patience(seconds, lock_seconds))
    work = Work(database, Bounds(most_rows, most_bytes))
    tools = [_query(work), _execute(work)]
    return [*tools, _change(work)] if database.is_undoable else tools


def _query(work: Work) -> GatedTool:
    @tool(
        effect=by_sql("statement", dialect=work.database.dialect.name),
        args_schema=_taking(work.only_reads),
    )
    def sql_query(statement: str) -> list[dict[str, Any]]:
        """Rows that one statement of SQL reads."""
        return work.query(statement)

    return sql_query


def _change(work: Work) -> GatedTool:
    @tool(
        effect=by_sql("statement", dialect=work.database.dialect.name, transactional=True),
        undo=Undo(work.take_back, idempotent=True),
        fingerprint=work.state,
        preview=work.preview_change,
        headline=_headline,
        verify=lambda statement: work.what_became(),  # noqa: ARG005 - it gets all arguments
        idempotent=True,
        key_life=_KEY_LIFE,
        args_schema=_taking(work.is_change),
    )
    def sql_change(statement: str) -> dict[str, Any]:
        """INSERT, UPDATE or DELETE rows of one table; what they were is kept, to bring it back."""
        return work.change(statement)

    return sql_change


def _execute(work: Work) -> GatedTool:
    noted = work.database.is_undoable

    @tool(
        effect=by_sql("statement", dialect=work.database.dialect.name),
        fingerprint=work.state if noted else None,
        preview=work.preview if noted else None,
        headline=_headline,
        verify=(lambda statement: work.what_became()) if noted else None,  # noqa: ARG005 - as above
        idempotent=noted,
        key_life=_KEY_LIFE if noted else None,
        args_schema=_taking(work.is_single),
    )
    def sql_execute(statement: str) -> dict[str, Any]:
        """Execute one statement of SQL for good. For rows of one table, `sql_change` is better."""
        return work.execute(statement)

    return sql_execute


def _headline(statement: str) -> str:
    return " ".join(statement.split())[:120]


def _taking(check: Callable[[str], str]) -> type[BaseModel]:
    """Arguments that are checked before anybody is asked."""
    kind = Annotated[str, Field(description="One statement of SQL."), AfterValidator(check)]
    return create_model("Statement", statement=(kind, ...))
