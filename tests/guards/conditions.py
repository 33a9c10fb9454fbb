"""The conditions of SQL, one by one: each `and …` of a `where` or `on`, each `or …` of an `if`.

What is here reads just enough of the language to find where a condition begins and ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|[A-Za-z_][\w.]*|[();]|\$\$|[^\s]")
_JOINING = frozenset({"join", "left", "right", "inner", "cross"})
_ENDS = frozenset(
    {"returning", "order", "group", "limit", "offset", "for", "union", "where", "on", "do", ";"}
)
_FUNCTION = re.compile(
    r"create (?:or replace )?function (\w+)\(.*?\$\$(.*?)\$\$", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a text that can be taken away: what it is put in place of, and by what.

    Attributes:
        text: the condition on one line.
        within: `where`, `on` or `if`.
    """

    start: int
    end: int
    text: str
    within: str

    def removed_from(self, sql: str) -> str:
        """The text without the condition; its parameters stay, so that they keep their types."""
        kept = sql[self.start : self.end]
        given_up = f"(false and ({kept}))" if self.within == "if" else f"(true or ({kept}))"
        return sql[: self.start] + given_up + sql[self.end :]


@dataclass(slots=True)
class _Clause:
    """A clause that is being read: `starts` and `ends` are those of its conditions so far."""

    kind: str
    depth: int
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


def conditions(sql: str) -> list[Condition]:
    """Each condition that can be taken away by itself, in the order of their places.

    Of an `if` only those are, which `or` joins to others: one alone is the whole check.
    """
    reader = _Reader(sql)
    for match in _TOKEN.finditer(sql):
        if not match[0].startswith("--"):
            reader.take(match)
    reader.end()
    return sorted(reader.found, key=lambda condition: (condition.start, condition.end))


class _Reader:
    """Reads token by token; knows which clauses are open, and how deep in brackets it is."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._open: list[_Clause] = []
        self._depth = self._cases = self._betweens = 0
        self._before, self._last_end = "", 0
        self.found: list[Condition] = []

    def take(self, match: re.Match[str]) -> None:
        """The next token that is no comment."""
        word = match[0].lower()
        self._depth += word == "("
        self._cases += word == "case"
        while self._open and self._is_over(self._open[-1], word):
            self._close(self._open.pop())
        if self._open:
            self._within(self._open[-1], word, match.start())
        if (self._before, word) == ("on", "conflict"):
            self._open.pop()  # it is no condition of a join
        if self._begins(word):
            self._open.append(_Clause(word, self._depth))
        self._depth -= word == ")"
        self._cases -= word == "end" and self._cases > 0
        self._before, self._last_end = word, match.end()

    def end(self) -> None:
        """There are no more."""
        while self._open:
            self._close(self._open.pop())

    def _begins(self, word: str) -> bool:
        if self._cases or (self._before, word) == ("conflict", "on"):
            return False
        return word in ("where", "on") or (word == "if" and self._before not in ("end", "not"))

    def _is_over(self, clause: _Clause, word: str) -> bool:
        if word == ")" and self._depth == clause.depth > 0:
            return True
        if self._depth != clause.depth or self._cases:
            return False
        return word == "then" or (clause.kind != "if" and word in _ENDS | _JOINING)

    def _within(self, clause: _Clause, word: str, at: int) -> None:
        """Whether a condition of the innermost clause begins or ends here."""
        here = self._cases == 0 and self._depth == clause.depth
        joins = here and word == ("or" if clause.kind == "if" else "and")
        self._betweens += here and word == "between"
        if joins and word == "and" and self._betweens:
            self._betweens -= 1
        elif joins:
            clause.ends.append(self._last_end)
        elif len(clause.starts) == len(clause.ends):
            clause.starts.append(at)

    def _close(self, clause: _Clause) -> None:
        spans = list(zip(clause.starts, [*clause.ends, self._last_end], strict=False))
        if clause.kind == "if" and len(spans) == 1:
            return
        for start, stop in spans:
            plain = re.sub(r"--[^\n]*", "", self._sql[start:stop])
            self.found.append(Condition(start, stop, " ".join(plain.split()), clause.kind))


def functions(sql: str) -> dict[str, tuple[int, int]]:
    """Where the bodies of the functions are that a migration makes, by name."""
    return {match[1]: match.span(2) for match in _FUNCTION.finditer(sql)}
