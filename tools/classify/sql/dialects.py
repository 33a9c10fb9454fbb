"""How the dialects of SQL differ where it matters for what a statement does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .words import words

_SHARED_OPERATORS = r"<=>|->>|->|::|:=|=>|==|<>|!=|<=|>=|\|\||&&|<<|>>|[-+*/%<>=~^&|!]"
# PostgreSQL reads as much as it can, but an operator does not swallow the beginning of a comment.
_POSTGRES_OPERATORS = r"::|:=|(?:(?!--|/\*)[-+*/<>=~!@\#%^&|`?])+"
_WRITES = frozenset({"insert", "update", "delete", "merge", "into"})
_FORBIDDEN = _WRITES | {"dumpfile", "export", "lock", "outfile", "procedure"}
# T-SQL needs nothing between two statements.
_FORBIDDEN_IN_TSQL = _FORBIDDEN | words(
    "add alter backup begin break bulk checkpoint close commit continue conversation copy create"
    " dbcc deallocate declare deny disable drop enable exec execute get go goto grant if kill move"
    " open print raiserror"
    " readtext receive reconfigure rename restore return revert revoke rollback save send set"
    " setuser shutdown throw truncate updatetext use waitfor while writetext"
    " holdlock paglock repeatableread rowlock serializable tablock tablockx updlock xlock"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect, by sqlglot's name for it.

    Attributes:
        operators: a pattern of its operators.
        strings: the marks that begin a string; `"` begins a quoted name where it is not among them.
        brackets: whether `[name]` is a quoted name.
        dollars: a pattern of what begins a dollar-quoted string.
        prefixes: the words that may stand right before a string's mark.
        line_comments: a pattern of the comments that end with their line.
        nested_comments: whether a comment surely may hold a comment.
        placeholders: a pattern of what stands for a value that is bound.
        forbidden: words that no reading statement needs to hold.
        borrows: whether the other dialects' functions count as its own.
        undoes: the first words of statements that a rollback undoes.
    """

    name: str
    operators: str = _SHARED_OPERATORS
    strings: str = "'"
    brackets: bool = False
    dollars: str | None = None
    prefixes: frozenset[str] = frozenset()
    line_comments: str = r"--[^\n]*"
    nested_comments: bool = False
    placeholders: str = r"\?"
    forbidden: frozenset[str] = _FORBIDDEN
    borrows: bool = False
    undoes: frozenset[str] = field(default=frozenset())

    @property
    def is_postgres(self) -> bool:
        """Whether its grammar is PostgreSQL's own."""
        return self.name == "postgres"


_ALL = (
    Dialect(
        "postgres",
        operators=_POSTGRES_OPERATORS,
        dollars=r"\$(?:[^\W\d]\w*)?\$",
        prefixes=frozenset({"e", "b", "x", "n"}),
        nested_comments=True,
        placeholders=r"\$[0-9]+",
        forbidden=_WRITES,
        undoes=frozenset({"insert", "update", "delete", "merge", "create", "drop", "alter"}),
    ),
    Dialect(
        "mysql",
        strings="'\"",
        prefixes=frozenset({"n", "x", "b"}),
        line_comments=r"--(?=\s|$)[^\n]*|\#[^\n]*",
        placeholders=r"\?|@@?[\w.]+",
    ),
    Dialect(
        "sqlite",
        brackets=True,
        prefixes=frozenset({"x"}),
        placeholders=r"\?\d*|[:@$]\w+",
        undoes=frozenset({"insert", "replace", "update", "delete", "create", "drop", "alter"}),
    ),
    Dialect(
        "tsql",
        brackets=True,
        prefixes=frozenset({"n"}),
        placeholders=r"@@?\w+",
        forbidden=_FORBIDDEN_IN_TSQL,
    ),
    Dialect(
        "bigquery",
        strings="'\"",
        line_comments=r"--[^\n]*|\#[^\n]*",
        placeholders=r"\?|@\w+",
    ),
    Dialect(
        "snowflake",
        dollars=r"\$\$",
        prefixes=frozenset({"x"}),
        line_comments=r"--[^\n]*|//[^\n]*",
        placeholders=r"\?|[:$]\w+",
    ),
    Dialect(
        "duckdb",
        dollars=r"\$(?:[^\W\d]\w*)?\$",
        prefixes=frozenset({"e", "x"}),
        placeholders=r"\?\d*|\$\w+",
    ),
    Dialect("oracle", prefixes=frozenset({"n"}), placeholders=r":\w+"),
)
DIALECTS = {dialect.name: dialect for dialect in _ALL}
ALIASES = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}
"""What SQLAlchemy calls them."""


def find_dialect(name: str) -> Dialect | None:
    """The dialect with this name, or SQLAlchemy's name for it; None where it is not known."""
    plain = re.split(r"\+", name.lower(), maxsplit=1)[0]
    return DIALECTS.get(ALIASES.get(plain, plain))
