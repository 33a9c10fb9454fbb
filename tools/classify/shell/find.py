"""`find`: its tests read, some of its actions do not."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .unproven import Unproven
from .words import ANYTHING, Spread, Word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .simple import Simple

_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_NAME = Word("{}")


def check(command: Simple) -> None:
    """Judge a `find` by its expression.

    Raises:
        Unproven: a part of it acts, is not known, or may turn out to be another.
    """
    queue = deque(command.words)
    while queue:
        word = queue.popleft()
        if word.exact and word.head in _RUNS:
            command.judge(list(_run(queue)))
        elif word.may_be_option:
            _predicate(command, word, queue)


def _predicate(command: Simple, word: Word, queue: deque[Word]) -> None:
    name, kind = command.name, command.spec.options.get(word.head) if word.exact else None
    if kind is None:
        shown = word.head if word.exact else "an expansion"
        raise Unproven("shell-option", f"`{name}` with {shown} is not known to only read.")
    value = queue.popleft() if kind == ":" and queue else None
    if value and value.spread is not Spread.ONE and not _ends_like_no_predicate(value):
        raise Unproven("shell-option", f"The value of `{name} {word.head}` may be several words.")


def _ends_like_no_predicate(word: Word) -> bool:
    return word.spread is Spread.SAME_START and "." in word.tail


def _run(queue: deque[Word]) -> Iterable[Word]:
    """The command that is run, with anything in the place of a file's name."""
    before = None
    while queue:
        word = queue.popleft()
        if word == Word(";") or (word == Word("+") and before == _NAME):
            return
        before = word
        yield ANYTHING if "{}" in word.head or not word.exact else word
    raise Unproven("shell-syntax", "The command that `find` runs has no end.")
