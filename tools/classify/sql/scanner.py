"""A statement's text as tokens; what two servers could read in two ways is refused.

What is a comment, a string or a name decides what a statement does, and it depends on the dialect
and on settings. sqlglot reads more leniently than the servers do, so it never sees the text itself:
it gets what `spelling` makes of these tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .dialects import Dialect

LONGEST = 100_000
MOST_TOKENS = 10_000
DEEPEST = 60

# not \d, which other scripts' digits are, too
_NUMBER = (
    r"0[xXbBoO][0-9a-fA-F_]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_PLAIN_BODY = r"[^{0}]*(?:{0}{0}[^{0}]*)*"
_ESCAPED_BODY = r"[^{0}\\]*(?:(?:{0}{0}|\\.)[^{0}\\]*)*"
_OTHER_LINE_ENDS = re.compile(r"\r(?!\n|$)|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted name"
    STRING = "string"
    NUMBER = "number"
    PLACEHOLDER = "placeholder"
    OPERATOR = "operator"
    MARK = "mark"


class Unsure(ValueError):
    """What a statement does is not known for sure: the rule that says so, and a sentence."""

    def __init__(self, sentence: str, rule: str = "sql-unreadable") -> None:
        super().__init__(sentence)
        self.rule = rule


class Ambiguous(Unsure):
    """Two servers, or two settings of one, part the text in two ways."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a statement: `value` is a word in small letters, or what the quotes hold."""

    kind: Kind
    value: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, without quotes."""
        return self.kind is Kind.WORD and self.value in words

    def is_mark(self, *marks: str) -> bool:
        """Whether it is one of these marks."""
        return self.kind is Kind.MARK and self.value in marks


def scan(text: str, dialect: Dialect) -> tuple[Token, ...]:
    """The tokens of a text, without its comments.

    Raises:
        Unsure: it is too long, or one of its pieces is not known or can be read in two ways.
    """
    if len(text) > LONGEST:
        raise Unsure(f"The text has {len(text):,} characters; at most {LONGEST:,} are judged.")
    if "\0" in text:
        raise Unsure("The text holds a NUL byte, where some drivers end it.")
    tokens = tuple(_pieces(text, dialect))
    if len(tokens) > MOST_TOKENS:
        raise Unsure(f"The text has {len(tokens):,} words; at most {MOST_TOKENS:,} are judged.")
    _check_nesting(tokens)
    return tokens


def _pieces(text: str, dialect: Dialect) -> Iterator[Token]:
    lexer, at = _lexer(dialect), 0
    while at < len(text):
        match = lexer.match(text, at)
        if match is None:
            raise Unsure(f"The text holds {text[at]!r}, which is not known to {dialect.name}.")
        group = match.lastgroup or ""
        if group == "comment":
            at = _end_of_comment(text, at, dialect)
            continue
        if group == "line":
            _check_line(match.group())
        elif group != "space":
            token = _token(text, match, dialect)
            yield token
            at = token.end
            continue
        at = match.end()


@lru_cache
def _lexer(dialect: Dialect) -> re.Pattern[str]:
    groups = {
        "space": r"[ \t\n\r\f]+",
        "line": dialect.line_comments,
        "comment": r"/\*",
        "unicode": r"[uU]&(?=['\"])",
        "dollar": dialect.dollars,
        "placeholder": dialect.placeholders,
        "number": _NUMBER,
        "word": r"\#{0,2}[^\W\d][\w$\#]*" if dialect.name == "tsql" else r"[^\W\d][\w$]*",
        "quote": r"['\"`]|\[" if dialect.brackets else r"['\"`]",
        "operator": dialect.operators,
        "mark": r"[()\[\],;.:]",
    }
    if dialect.is_postgres:
        groups["quote"] = r"['\"]"
    return re.compile("|".join(f"(?P<{name}>{body})" for name, body in groups.items() if body))


def _token(text: str, match: re.Match[str], dialect: Dialect) -> Token:
    group, start, end = match.lastgroup, match.start(), match.end()
    found = match.group()
    if group == "unicode":
        return _unicode_string(text, end)
    if group == "dollar":
        return _dollar_quoted(text, found, start)
    if group == "quote":
        return _quoted(text, start, dialect, escapes=False)
    if group == "word":
        return _word(text, match, dialect)
    if group == "number" and (text[end : end + 1].isalnum() or text[end : end + 1] in {"_", "$"}):
        raise Unsure(f"`{text[start : end + 1]}` is a number with something right behind it.")
    if group == "operator":
        if dialect.is_postgres:
            found = _postgres_operator(found)
        return Token(Kind.OPERATOR, found, start, start + len(found))
    return Token(Kind((group or "").lower()), found, start, end)


def _word(text: str, match: re.Match[str], dialect: Dialect) -> Token:
    found, end = match.group(), match.end()
    # only ASCII folds alike everywhere: the Kelvin sign is no k to a server
    value = found.lower() if found.isascii() else found
    if text[end : end + 1] not in {"'", '"'} or (text[end] == '"' and dialect.is_postgres):
        return Token(Kind.WORD, value, match.start(), end)
    if value in dialect.prefixes and text[end] == "'":
        return _quoted(text, end, dialect, escapes=value == "e")
    if dialect.is_postgres:
        return Token(Kind.WORD, value, match.start(), end)
    raise Unsure(f"`{found}` stands right before a quote, which may change what is quoted.")


def _quoted(text: str, start: int, dialect: Dialect, *, escapes: bool) -> Token:
    opening = text[start]
    closing = "]" if opening == "[" else opening
    end = _end_of_quoted(text, start + 1, closing, escapes=escapes)
    kind = Kind.STRING if opening in dialect.strings else Kind.QUOTED
    body = text[start + 1 : end - 1]
    if opening == "[" and "]]" in body:
        raise Unsure("A name in brackets holds a bracket.")
    if dialect.name == "bigquery" and text[start : start + 3] == opening * 3:
        raise Ambiguous("A string has three quotes at its beginning.")
    return Token(kind, body, start, end)


def _end_of_quoted(text: str, at: int, closing: str, *, escapes: bool) -> int:
    mark = re.escape(closing)
    plain = re.compile(_PLAIN_BODY.format(mark)).match(text, at)
    escaped = re.compile(_ESCAPED_BODY.format(mark), re.DOTALL).match(text, at)
    if plain is None or escaped is None:  # both may be empty, so neither can be
        raise Unsure("A quote is not closed.")
    end = escaped.end() if escapes else plain.end()
    if text[end : end + 1] != closing:
        raise Unsure("A quote is not closed.")
    if not escapes and escaped.end() != end:
        raise Ambiguous(
            "A backslash stands before a quote: whether the string ends there is a setting."
        )
    return end + 1


def _unicode_string(text: str, at: int) -> Token:
    if text[at] == '"':
        raise Unsure("A name is spelled in Unicode escapes.")
    end = _end_of_quoted(text, at + 1, "'", escapes=False)
    return Token(Kind.STRING, text[at + 1 : end - 1], at - 2, end)


def _dollar_quoted(text: str, tag: str, start: int) -> Token:
    end = text.find(tag, start + len(tag))
    if end < 0:
        raise Unsure("A dollar quote is not closed.")
    return Token(Kind.STRING, text[start + len(tag) : end], start, end + len(tag))


def _postgres_operator(found: str) -> str:
    while len(found) > 1 and found[-1] in "+-" and not set(found) & set("~!@#%^&|`?"):
        found = found[:-1]
    return found


def _check_line(comment: str) -> None:
    if _OTHER_LINE_ENDS.search(comment):
        raise Ambiguous("A comment holds a character at which some servers end it.")


def _end_of_comment(text: str, start: int, dialect: Dialect) -> int:
    if dialect.name == "mysql" and re.match(r"/\*(?:!|M!|\+)", text[start : start + 4]):
        raise Ambiguous("A comment holds something that MySQL executes.")
    depth, at = 0, start
    while mark := _COMMENT_MARK.search(text, at):
        depth += 1 if mark.group() == "/*" else -1
        at = mark.end()
        if depth == 0:
            return at
        if depth > 1 and not dialect.nested_comments:
            raise Ambiguous("A comment holds the beginning of another.")
    raise Unsure("A comment is not closed.")


def _check_nesting(tokens: tuple[Token, ...]) -> None:
    open_marks: list[str] = []
    for token in tokens:
        if token.kind is not Kind.MARK:
            continue
        if token.value in _OPENING:
            open_marks.append(token.value)
            if len(open_marks) > DEEPEST:
                raise Unsure(f"Brackets are nested more than {DEEPEST} deep.")
        elif token.value in _CLOSING and (
            not open_marks or open_marks.pop() != {")": "(", "]": "["}[token.value]
        ):
            raise Unsure("Brackets do not match.")
    if open_marks:
        raise Unsure("Brackets do not match.")
