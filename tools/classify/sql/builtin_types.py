"""Where the name of one of PostgreSQL's own types ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .scanner import Kind
from .words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .scanner import Token

# Base types, ranges and pseudo-types of PostgreSQL 18's pg_type, and SQL's names for them.
BUILTIN_TYPES = words(
    "bool bytea char name int8 int2 int2vector int4 regproc text oid tid xid cid oidvector json xml"
    " xid8 point lseg path box polygon line float4 float8 unknown circle money macaddr inet cidr"
    " macaddr8 aclitem bpchar varchar date time timestamp timestamptz interval timetz bit varbit"
    " numeric refcursor regprocedure regoper regoperator regclass regcollation regtype regrole"
    " regnamespace uuid tsvector gtsvector tsquery regconfig regdictionary jsonb jsonpath"
    " txid_snapshot pg_snapshot pg_lsn pg_node_tree pg_ndistinct pg_dependencies pg_mcv_list"
    " int4range numrange tsrange tstzrange daterange int8range int4multirange nummultirange"
    " tsmultirange tstzmultirange datemultirange int8multirange record"
    " int integer smallint bigint real float double decimal dec boolean character nchar"
)
UNITS = ("year", "month", "day", "hour", "minute", "second")


def end_of_type(tokens: Sequence[Token], at: int) -> int | None:
    """The index behind the built-in type that is spelled from `at` on; None where there is none."""
    if _word(tokens, at, "pg_catalog") and _mark(tokens, at + 1, "."):
        at += 2
    if at >= len(tokens) or not _names_type(tokens[at]):
        return None
    word = tokens[at].value
    at += 1
    if word == "double":
        if not _word(tokens, at, "precision"):
            return None
        at += 1
    elif word in {"character", "char", "bit", "nchar"} and _word(tokens, at, "varying"):
        at += 1
    if word == "interval":
        at = end_of_units(tokens, at)
    at = _end_of_modifiers(tokens, at)
    if word in {"time", "timestamp"}:
        at = _end_of_zone(tokens, at)
    return _end_of_array(tokens, at)


def _names_type(token: Token) -> bool:
    if token.kind is Kind.QUOTED:
        return token.value in BUILTIN_TYPES and token.value not in {"int", "integer", "double"}
    return token.kind is Kind.WORD and token.value in BUILTIN_TYPES


def end_of_units(tokens: Sequence[Token], at: int) -> int:
    """The index behind the fields that may follow the word `interval`, or its string."""
    if not _word(tokens, at, *UNITS):
        return at
    if _word(tokens, at + 1, "to") and _word(tokens, at + 2, *UNITS):
        return _end_of_modifiers(tokens, at + 3)
    return _end_of_modifiers(tokens, at + 1)


def _end_of_modifiers(tokens: Sequence[Token], at: int) -> int:
    if not _mark(tokens, at, "("):
        return at
    end = at + 1
    while end < len(tokens) and (
        tokens[end].kind in {Kind.NUMBER, Kind.OPERATOR} or _mark(tokens, end, ",")
    ):
        end += 1
    return end + 1 if _mark(tokens, end, ")") else at


def _end_of_zone(tokens: Sequence[Token], at: int) -> int:
    spelled = _word(tokens, at, "with", "without")
    if spelled and _word(tokens, at + 1, "time") and _word(tokens, at + 2, "zone"):
        return at + 3
    return at


def _end_of_array(tokens: Sequence[Token], at: int) -> int:
    if _word(tokens, at, "array"):
        at += 1
    while _mark(tokens, at, "["):
        inner = at + 1
        if inner < len(tokens) and tokens[inner].kind is Kind.NUMBER:
            inner += 1
        if not _mark(tokens, inner, "]"):
            break
        at = inner + 1
    return at


def _word(tokens: Sequence[Token], at: int, *words: str) -> bool:
    return at < len(tokens) and tokens[at].is_word(*words)


def _mark(tokens: Sequence[Token], at: int, mark: str) -> bool:
    return at < len(tokens) and tokens[at].is_mark(mark)
