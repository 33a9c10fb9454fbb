"""Whether a query only reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from .calls import doubt, unknown_calls
from .parsing import check_reads
from .scanner import Kind, Unsure
from .spelling import spell
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dialects import Dialect
    from .scanner import Token

QUERY_WORDS = frozenset({"select", "with", "values", "table"})
LOCKING = ("update", "share", "key", "no")
_SEQUENCE_NAMES = frozenset({"nextval", "currval"})
_FILES = frozenset({"csv", "tsv", "parquet", "json", "jsonl", "ndjson", "xlsx", "gz", "zst", "db"})

READING_PRAGMAS = words(
    "application_id collation_list compile_options data_version database_list encoding"
    " foreign_key_check foreign_key_list freelist_count function_list index_info index_list"
    " index_xinfo integrity_check module_list page_count page_size pragma_list quick_check"
    " schema_version table_info table_list table_xinfo user_version"
)
_OF_DUAL = words(
    "dummy sysdate systimestamp user uid level rownum null true false current_date"
    " current_timestamp localtimestamp sessiontimezone dbtimezone"
)
"""What is no function where a query names it of a table that has no columns of its own."""


def begins_query(tokens: Sequence[Token], dialect: Dialect | None = None) -> bool:
    """Whether a statement begins as a query does, behind any opening brackets."""
    first = next((token for token in tokens if not token.is_mark("(")), None)
    starts = {*QUERY_WORDS, "from"} if dialect and dialect.name == "duckdb" else QUERY_WORDS
    return first is not None and first.is_word(*starts)


def check_query(tokens: Sequence[Token], dialect: Dialect) -> None:
    """Check that a query writes nothing, locks nothing and calls only what is known.

    Raises:
        Unsure: it does not, or that is not sure.
    """
    if not begins_query(tokens, dialect):
        raise Unsure("It does not begin as a query does.", "sql-not-a-query")
    _check_words(tokens, dialect)
    unknown = unknown_calls(tokens, dialect)
    for call in unknown:
        if call.schema is not None:
            raise doubt(call)
    text = spell(tokens, dialect)
    try:
        check_reads(text, dialect, Counter(call.name for call in unknown))
    except Unsure as other:
        if unknown and other.rule in {"sql-unparsed", "sql-unknown-function"}:
            raise doubt(unknown[0]) from None
        raise


def check_planned(tokens: Sequence[Token], dialect: Dialect) -> None:
    """Check that planning a statement runs nothing: a planner runs the functions it holds constant.

    Raises:
        Unsure: the statement calls what is not known.
    """
    for call in unknown_calls(tokens, dialect):
        raise doubt(call)
    for at in range(len(tokens)):
        _check_place(tokens, at, dialect)
    if dialect.is_postgres:
        spell(tokens, dialect)


def _check_words(tokens: Sequence[Token], dialect: Dialect) -> None:
    for at, token in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if token.is_word("for") and following is not None and following.is_word(*LOCKING):
            raise Unsure("It locks the rows that it reads.", "sql-lock")
        if token.kind is Kind.WORD and token.value in dialect.forbidden:
            raise _doubt_of_word(token.value, following)
        if token.kind is Kind.STRING and following is not None and following.is_mark("("):
            raise Unsure("A string stands where a function's name would.")
        if following is not None and moves_sequence(token, following):
            raise Unsure("It moves a sequence on, which no rollback undoes.", "sql-function-acts")
        _check_place(tokens, at, dialect)


def _check_place(tokens: Sequence[Token], at: int, dialect: Dialect) -> None:
    """Check that nothing is read from a file or an address, or called without brackets."""
    token = tokens[at]
    if token.kind in {Kind.WORD, Kind.QUOTED}:
        _check_pragma(token.value.lower())
    if token.kind is Kind.QUOTED and ("://" in token.value or token.value.startswith("/")):
        raise Unsure("It reads a file or an address.", "sql-reads-file")
    if token.value.lower() == "glob" and any("://" in each.value for each in tokens[at : at + 4]):
        raise Unsure("It lists the files of an address.", "sql-reads-file")
    if token.is_word("dual") and at and tokens[at - 1].is_word("from"):
        _check_dual(tokens[: at - 1])
    if not dialect.is_postgres:
        _check_foreign(tokens, at, dialect)


def _check_pragma(name: str) -> None:
    """SQLite has each PRAGMA as a table, too: `pragma_wal_checkpoint` runs one."""
    pragma = name.removeprefix("pragma_")
    if pragma != name and pragma not in READING_PRAGMAS:
        raise Unsure("Not every PRAGMA only reads, and this one may not.", "sql-pragma")


def _check_dual(before: Sequence[Token]) -> None:
    """Oracle calls a function without brackets: `select purge_now from dual`.

    Args:
        before: what stands before `from dual`.
    """
    start = max((at for at, token in enumerate(before) if token.is_word("select")), default=0)
    for at in range(start + 1, len(before)):
        token, last = before[at], before[at - 1]
        ends = at + 1 == len(before) or before[at + 1].is_mark(",")
        is_named = token.kind in {Kind.WORD, Kind.QUOTED} and token.value.lower() not in _OF_DUAL
        stands = last.is_word("select", "distinct", "all") or last.is_mark(",") or last.is_mark(".")
        if is_named and ends and stands:
            said = "A name that DUAL has no column for is that of a function."
            raise Unsure(said, "sql-unknown-function")


def moves_sequence(first: Token, second: Token) -> bool:
    """Whether two pieces are `NEXT VALUE FOR`, or a sequence's `.NEXTVAL`."""
    if first.is_word("next") and second.is_word("value"):
        return True
    return first.is_mark(".") and second.value.lower() in _SEQUENCE_NAMES


def _doubt_of_word(word: str, following: Token | None) -> Unsure:
    if word == "into":
        target = "" if following is None else f" `{following.value}`"
        return Unsure(f"It writes what it reads into{target}.", "sql-select-into")
    return Unsure(f"It holds the word `{word.upper()}`, as a write within it would.", "sql-write")


def _check_foreign(tokens: Sequence[Token], at: int, dialect: Dialect) -> None:
    token, before = tokens[at], tokens[at - 1] if at else None
    if token.kind is Kind.OPERATOR and token.value == ":=":
        raise Unsure("It sets a variable of the session.", "sql-session-setting")
    if before is None:
        return
    is_string = before.is_word("from", "join", "table") and token.kind is Kind.STRING
    if is_string or names_file(before, token, dialect):
        raise Unsure("It reads a file or an address.", "sql-reads-file")


def names_file(before: Token, token: Token, dialect: Dialect) -> bool:
    """Whether DuckDB may take a name for that of a file."""
    if dialect.name != "duckdb":
        return False
    if token.kind is Kind.QUOTED:
        return not token.value.isidentifier()
    return before.is_mark(".") and token.is_word(*_FILES)
