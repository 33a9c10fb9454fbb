"""A text of SQL for a server that is not known.

It is a read if it reads in one dialect, and no other could part it into something that acts. What
another dialect merely does not know says nothing: its server refuses the text. A function's name is
taken for the one that some server has built in.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ...effect import Classification, Effect
from .calls import doubt, ends_value, unknown_calls
from .dialects import DIALECTS
from .reading import LOCKING, begins_query, moves_sequence
from .scanner import Ambiguous, Kind, Unsure, scan
from .spelling import check_typed_literals
from .statements import STARTS_READING, explained
from .texts import irreversible, judge_text, statements_of
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .dialects import Dialect
    from .scanner import Token

_ALL: Final = tuple(replace(each, borrows=True) for each in DIALECTS.values())
_WRITES: Final = words(
    "insert update delete merge into dumpfile export lock outfile procedure"
    " holdlock paglock repeatableread rowlock serializable tablock tablockx updlock xlock"
)
_ESCAPED_QUOTE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\['\"`]")
_COMMENTS_OF_ITS_OWN: Final = {"mysql": re.compile(r"\#|--\S"), "snowflake": re.compile("//")}
_TYPED_ELSEWHERE: Final = words(
    "separator match regexp rlike glob datetime string bytes bignumeric"
)
"""What may stand before a string in other dialects than PostgreSQL, where none is a type."""
_FILE: Final = re.compile(r"[/:*]|\.(?:csv|tsv|parquet|jsonl?|ndjson|xlsx|gz|zst|db)$")


def classify_anywhere(text: str) -> Classification:
    """The effect of a text, whatever its dialect; if it is no read, as PostgreSQL has it."""
    first = None
    for dialect in _ALL:
        found = judge_text(text, dialect)
        if found.effect is Effect.READ:
            return _unless_one_acts(text, dialect, found)
        first = first or found
    return first or irreversible("sql-dialect", "No dialect is known.")


def _unless_one_acts(text: str, reader: Dialect, found: Classification) -> Classification:
    seen = scan(text, reader)
    for dialect in _ALL:
        try:
            tokens = _check_harmless(text, dialect, seen)
            if dialect.is_postgres and not reader.is_postgres:
                check_typed_literals(tokens, besides=_TYPED_ELSEWHERE)
        except Unsure as problem:
            said = f"It reads as {reader.name}, but as {dialect.name}: {problem}"
            return irreversible(problem.rule, said)
    return found


def _check_harmless(text: str, dialect: Dialect, seen: Sequence[Token]) -> Sequence[Token]:
    """Check that a server of this dialect would not act on a text that reads in some dialect.

    Args:
        text: the text.
        dialect: this one.
        seen: the text's pieces as the reading dialect has them.

    Returns:
        The pieces as this one has them; none where its server refuses the text.

    Raises:
        Unsure: it may act.
    """
    try:
        tokens = scan(text, dialect)
    except Ambiguous:
        raise
    except Unsure as problem:
        if _may_be_parted(text, dialect):
            raise Ambiguous(f"{problem} It may be parted in another way.") from problem
        return ()
    named = {token.start for token in seen if token.kind in {Kind.WORD, Kind.QUOTED}}
    for statement in statements_of(tokens):
        if not statement[0].is_word(*STARTS_READING) and not statement[0].is_mark("("):
            raise Unsure("It holds a statement that does not begin as a read does.", "sql-write")
        if not _only_plans(statement):
            _check_words(statement, dialect)
        for call in unknown_calls(statement, dialect):
            if statement[call.at].start not in named:
                raise doubt(call)
    return tokens


def _may_be_parted(text: str, dialect: Dialect) -> bool:
    """Whether a text odd to a dialect holds what may end a string or a statement in it alone."""
    behind_dollar = text.partition("$")[2].partition(";")[2].strip()
    comment = _COMMENTS_OF_ITS_OWN.get(dialect.name)
    return bool(behind_dollar or _ESCAPED_QUOTE.search(text) or (comment and comment.search(text)))


def _only_plans(statement: Sequence[Token]) -> bool:
    return statement[0].is_word("explain") and not explained(statement)[0]


def _check_words(statement: Sequence[Token], dialect: Dialect) -> None:
    if word := next((token.value for token in statement if token.is_word(*_WRITES)), None):
        raise Unsure(f"It holds the word `{word.upper()}`.", "sql-write")
    may_go_on = dialect.name == "tsql" and begins_query(statement)
    for before, token in pairwise(statement):
        if before.is_word("for") and token.is_word(*LOCKING):
            raise Unsure("It locks the rows that it reads.", "sql-lock")
        if moves_sequence(before, token):
            raise Unsure("It moves a sequence on, which no rollback undoes.", "sql-function-acts")
        if before.kind is Kind.PLACEHOLDER and token.value == ":=":
            raise Unsure("It sets a variable of the session.", "sql-session-setting")
        if dialect.name == "duckdb" and _opens_file(before, token):
            raise Unsure("It reads a file or an address.", "sql-reads-file")
        if may_go_on and _begins_another(before, token, dialect):
            raise Unsure(f"`{token.value.upper()}` begins another statement.", "sql-write")


def _opens_file(before: Token, token: Token) -> bool:
    is_source = before.is_word("from", "join", *STARTS_READING) or before.is_mark(",")
    is_file = token.kind is Kind.QUOTED and bool(_FILE.search(token.value.lower()))
    return is_source and (is_file or token.is_word("glob"))


def _begins_another(before: Token, token: Token, dialect: Dialect) -> bool:
    """Whether T-SQL, which needs nothing between two statements, may see a second one begin."""
    return token.is_word(*dialect.forbidden - {"set", "use"}) and ends_value(before)
