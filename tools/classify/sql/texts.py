"""A text of one or several statements, in a dialect that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effect import Classification, Effect, Source
from .scanner import Unsure, scan
from .statements import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .dialects import Dialect
    from .scanner import Token

_GRAVITY = list(Effect)


def judge_text(text: str, dialect: Dialect, *, transactional: bool = False) -> Classification:
    """The effect of a text; of several statements, that of the gravest."""
    try:
        statements = list(statements_of(scan(text, dialect)))
    except Unsure as doubt:
        return irreversible(doubt.rule, str(doubt))
    if not statements:
        return irreversible("sql-empty", "The text holds no statement.")
    # a setting may change what the statements behind it mean
    sets = len(statements) > 1 and any(first.is_word("set", "reset") for first, *_ in statements)
    judged = [
        judge(
            tokens,
            text[tokens[0].start : tokens[-1].end],
            dialect,
            transactional=transactional and not sets,
        )
        for tokens in statements
    ]
    return max(judged, key=lambda answer: _GRAVITY.index(answer.effect))


def statements_of(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
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


def irreversible(rule: str, evidence: str) -> Classification:
    """What is not sure to only read, and why."""
    return Classification(Effect.IRREVERSIBLE, Source.INFERRED, rule, (evidence,))
