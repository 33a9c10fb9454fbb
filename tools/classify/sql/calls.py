"""Which functions a statement calls, and which of them are known to have no side effects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from .builtin_types import BUILTIN_TYPES, UNITS, end_of_type
from .scanner import Kind, Unsure
from .special_forms import SPECIAL_FORMS
from .words import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable

    from .dialects import Dialect
    from .scanner import Token

# Words of the grammar that no function can be called by without quotes.
_GRAMMAR = SPECIAL_FORMS | words(
    "all and any array as between case cast check coalesce cube current_time current_timestamp"
    " distinct else except exists from greatest grouping having in intersect lateral least limit"
    " localtime localtimestamp merge_action not nullif offset on only or primary references"
    " returning rollup row select some table then treat unique union using values variadic when"
    " where with"
)
# Words that are grammar only behind certain others, and could else be somebody's function.
_GRAMMAR_BEHIND = {
    "against": frozenset({")"}),
    "apply": frozenset({"cross", "outer"}),
    "by": frozenset({"order", "group", "partition"}),
    "conflict": frozenset({"on"}),
    "exclude": frozenset({"*"}),
    "filter": frozenset({")"}),
    "for": frozenset({"collation"}),
    "group": frozenset({"within"}),
    "index": frozenset({"use", "force", "ignore"}),
    "key": frozenset({"primary", "foreign"}),
    "materialized": frozenset({"as", "not"}),
    "over": frozenset({")", "nulls"}),
    "repeatable": frozenset({")"}),
    "bernoulli": frozenset({"tablesample"}),
    "system": frozenset({"tablesample"}),
    "sets": frozenset({"grouping"}),
    "join": frozenset({"inner", "left", "right", "full", "outer", "cross", "natural", ")"}),
    "set": frozenset({"update"}),
    "zone": frozenset({"time"}),
}
# Words that are grammar right behind a table, where no function can stand.
_BEHIND_A_TABLE = frozenset({"at", "before", "pivot", "sample", "unpivot"})
# Words that no function can be called by in these dialects; most are types within CONVERT.
_RESERVED = {
    "mysql": words("binary char datetime decimal float time"),
    "tsql": words(
        "binary char datetime decimal float nvarchar numeric option top varbinary varchar"
    ),
}
# Behind these words and marks a value begins.
_BEFORE_A_VALUE = words(
    "select distinct all by and or not when then else where on having as in case from join top"
    " between like is exists any some using , ( [ . ; :"
)
# Words behind which a name and a bracket make something and call nothing.
_MAKERS = frozenset({"into", "table", "exists", "references", "view", "copy", "update"})
_OWN_SCHEMA = {"postgres": "pg_catalog"}
_READ_BY_TYPE_NAME = frozenset({"pg_input_is_valid", "pg_input_error_info"})
# `inet(x)` converts; `name(x)` is often somebody's own.
_CONVERTING_TYPES = BUILTIN_TYPES - {"name"}
_KNOWN_ACTORS = {
    "nextval": "moves a sequence on, which no rollback undoes",
    "setval": "sets a sequence, which no rollback undoes",
    "set_config": "changes a setting of the session",
    "setseed": "changes the session's random numbers",
    "pg_notify": "sends a notification",
    "dblink_exec": "runs a statement on another server",
    "pg_terminate_backend": "ends somebody's session",
    "pg_cancel_backend": "stops somebody's statement",
    "query_to_xml": "runs a statement that stands in a string",
    "ts_stat": "runs a statement that stands in a string",
    "ts_rewrite": "may run a statement that stands in a string",
    "txid_current": "takes a transaction number",
    "pg_current_xact_id": "takes a transaction number",
    "load_extension": "loads a library",
}
_KNOWN_PREFIXES = {
    "pg_advisory_": "takes or gives back a lock",
    "pg_try_advisory_": "takes a lock",
    "lo_": "works on large objects",
    "pg_read_": "reads a file of the server",
    "pg_ls_": "reads a folder of the server",
    "pg_sleep": "makes the session wait",
    "pg_stat_reset": "throws statistics away",
    "xp_": "runs something outside the database",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A function's name in a statement, with the schema before it."""

    name: str
    schema: str | None
    at: int


def unknown_calls(tokens: Sequence[Token], dialect: Dialect) -> list[Call]:
    """The calls of functions that are not known to have no side effects."""
    return [call for call in _calls(tokens, dialect) if not _is_pure(call, tokens, dialect)]


def is_pure(name: str, dialect: Dialect) -> bool:
    """Whether the function with this name, and no schema of its own, has no side effects."""
    if name in (borrowed_functions() if dialect.borrows else pure_functions(dialect.name)):
        return True
    return dialect.is_postgres and (name in _READ_BY_TYPE_NAME or name in _CONVERTING_TYPES)


@lru_cache
def pure_functions(dialect: str) -> frozenset[str]:
    """The names of a dialect's own functions that have no side effects."""
    folder = files(__package__) / "functions"
    lists = ("postgres", "postgres_volatile") if dialect == "postgres" else ("common", dialect)
    return frozenset(word for name in lists for word in _listed(folder / f"{name}.txt"))


@lru_cache
def borrowed_functions() -> frozenset[str]:
    """The names of all dialects' own functions that have no side effects."""
    listed = [file for file in (files(__package__) / "functions").iterdir() if file.is_file()]
    return frozenset(word for file in listed for word in _listed(file))


def _listed(file: Traversable) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield from line.split()


def doubt(call: Call) -> Unsure:
    """Why a statement with this call is not free."""
    name = call.name if call.schema is None else f"{call.schema}.{call.name}"
    does = _KNOWN_ACTORS.get(call.name) or next(
        (does for start, does in _KNOWN_PREFIXES.items() if call.name.startswith(start)), None
    )
    if does is not None:
        return Unsure(f"`{name}` {does}.", "sql-function-acts")
    return Unsure(
        f"`{name}` is not among the built-in functions that are known to change nothing.",
        "sql-unknown-function",
    )


def _calls(tokens: Sequence[Token], dialect: Dialect) -> Iterator[Call]:
    # a statement's first word says what it is, and calls nothing
    for at, token in enumerate(tokens[1:-1], start=1):
        if token.kind not in {Kind.WORD, Kind.QUOTED} or not tokens[at + 1].is_mark("("):
            continue
        schema, first = _schema(tokens, at)
        if schema is None and _is_grammar(tokens, at, dialect):
            continue
        if first > 0 and tokens[first - 1].is_word(*_MAKERS):
            continue
        yield Call(token.value, schema, at)


def _schema(tokens: Sequence[Token], at: int) -> tuple[str | None, int]:
    first, parts = at, []
    while first >= 2 and tokens[first - 1].is_mark("."):  # noqa: PLR2004 - a name and its point
        parts.append(tokens[first - 2].value)
        first -= 2
    if not parts:
        return (None if at == 0 or not tokens[at - 1].is_mark(".") else ""), first
    return ".".join(reversed(parts)), first


def _is_grammar(tokens: Sequence[Token], at: int, dialect: Dialect) -> bool:
    token = tokens[at]
    if token.kind is not Kind.WORD:
        return False
    before = _grammar_before(tokens, at)
    if token.value in _GRAMMAR_BEHIND:
        return before in _GRAMMAR_BEHIND[token.value] and _stands_as_grammar(tokens, at)
    if token.value in _GRAMMAR or before == "as":
        return True
    if dialect.is_postgres:
        if _is_interval_field(tokens, at) or _is_named_operator(tokens, at):
            return True
        return before == "::" and end_of_type(tokens, at) is not None
    behind_table = token.value in _BEHIND_A_TABLE and ends_value(tokens[at - 1])
    return behind_table or before == "::" or token.value in _RESERVED.get(dialect.name, ())


def ends_value(token: Token) -> bool:
    """Whether a value or a name may end with this piece."""
    if token.kind in {Kind.WORD, Kind.MARK}:
        return token.value not in _BEFORE_A_VALUE
    return token.kind is not Kind.OPERATOR


def _is_interval_field(tokens: Sequence[Token], at: int) -> bool:
    """Whether it is the second of `interval '…' day to second(2)`."""
    if not tokens[at].is_word("second") or at == 0:
        return False
    before = tokens[at - 1]
    spans = before.is_word("to") and at > 1 and tokens[at - 2].is_word(*UNITS)
    return before.kind is Kind.STRING or before.is_word("interval") or spans


def _stands_as_grammar(tokens: Sequence[Token], at: int) -> bool:
    if tokens[at].value == "conflict":
        end = closing(tokens, at + 1)
        return end + 1 < len(tokens) and tokens[end + 1].is_word("do")
    if tokens[at].value == "exclude":  # behind the star of a list, not that of a product
        return tokens[at - 2].is_word("select", "distinct") or tokens[at - 2].is_mark(",", ".")
    if tokens[at].value == "materialized" and tokens[at - 1].is_word("not"):
        return tokens[at - 2].is_word("as")
    return not _is_behind_distinct_on(tokens, at)


def closing(tokens: Sequence[Token], at: int) -> int:
    """The index of the bracket that closes the one at `at`."""
    depth = 0
    for end in range(at, len(tokens)):
        depth += tokens[end].is_mark("(") - tokens[end].is_mark(")")
        if depth == 0:
            return end
    return len(tokens)


def _is_behind_distinct_on(tokens: Sequence[Token], at: int) -> bool:
    """Whether it is the first expression behind `distinct on (…)`."""
    depth = 0
    for opening in range(at - 1, 1, -1):
        depth += tokens[opening].is_mark(")") - tokens[opening].is_mark("(")
        if depth == 0:
            return tokens[opening - 1].is_word("on") and tokens[opening - 2].is_word("distinct")
    return False


def _is_named_operator(tokens: Sequence[Token], at: int) -> bool:
    inner = at + (4 if tokens[at + 2 : at + 3] and tokens[at + 2].is_word("pg_catalog") else 2)
    spelled = inner < len(tokens) and tokens[inner].kind is Kind.OPERATOR
    return tokens[at].is_word("operator") and spelled


def _grammar_before(tokens: Sequence[Token], at: int) -> str:
    spelled = at > 0 and tokens[at - 1].kind in {Kind.WORD, Kind.MARK, Kind.OPERATOR}
    return tokens[at - 1].value if spelled else ""


def _is_pure(call: Call, tokens: Sequence[Token], dialect: Dialect) -> bool:
    if call.schema not in {None, _OWN_SCHEMA.get(dialect.name)}:
        return False
    if dialect.is_postgres and call.name in _READ_BY_TYPE_NAME:
        return _names_builtin_type(tokens, call.at + 1)
    return is_pure(call.name if dialect.is_postgres else call.name.lower(), dialect)


def _names_builtin_type(tokens: Sequence[Token], at: int) -> bool:
    """Whether the call whose bracket is at `at` ends with a string that is a built-in type."""
    end = closing(tokens, at)
    last = tokens[end - 1]
    word = last.value.partition("(")[0].removesuffix("[]").strip()
    alone = tokens[end - 2].is_mark(",")
    return last.kind is Kind.STRING and alone and word in BUILTIN_TYPES
