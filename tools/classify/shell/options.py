"""The options and operands of a command, read with what is known of it."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .unproven import Unproven
from .words import Spread, Word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FLAG, _VALUE, _ATTACHED = "", ":", "?"
_NUMBER = "-#"
_NEGATIVE = re.compile(r"-\d")


@dataclass(frozen=True, slots=True)
class Spec:
    """How a command, or a sub-command, may be used so that it only reads.

    Attributes:
        options: by name: `` for a flag, `:` where a value follows, `?` where one may be attached.
        values: by name of an option: what its value must look like.
        needs: options of which one must be given.
        operands: how many it may have at most; None for any number.
        some: whether it must have one.
        first: what its first operand must look like.
        each: what each of its operands must look like.
        check: the name of a check of its own.
        words: whether a single dash begins a whole word, as in `-json`.
        bare: whether it may be used without a sub-command.
        subs: its sub-commands.
    """

    options: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    operands: int | None = None
    some: bool = False
    first: re.Pattern[str] | None = None
    each: re.Pattern[str] | None = None
    check: str = ""
    words: bool = False
    bare: bool = False
    subs: dict[str, Spec] = field(default_factory=dict)


@dataclass(slots=True)
class Given:
    """What a command was given."""

    options: list[tuple[str, Word | None]] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The names of the options."""
        return {name for name, _ in self.options}


def read_options(name: str, words: Iterable[Word], spec: Spec, *, stop: bool = False) -> Given:
    """Tell options, their values and operands apart.

    Args:
        name: the command's, for the reviewer.
        words: its arguments.
        spec: what is known of it.
        stop: whether options end at the first operand.

    Raises:
        Unproven: an option is not known to keep it a read, or a word may turn out to be one.
    """
    given, queue = Given(), deque(words)
    signs = "-+" if any(option.startswith("+") for option in spec.options) else "-"
    while queue:
        word = queue.popleft()
        if word == Word("--"):
            given.operands.extend(queue)
            break
        if not _looks_like_option(word, signs):
            given.operands.append(word)
            if stop:
                given.operands.extend(queue)
                break
        elif spec.words or word.head.startswith("--"):
            given.options.append(_whole(name, word, queue, spec))
        else:
            given.options.extend(_letters(name, word, queue, spec))
    return given


def check_given(name: str, given: Given, spec: Spec) -> None:
    """Hold what was given against what the command may have.

    Raises:
        Unproven: it has too many operands, one that acts, or not the option that it needs.
    """
    if spec.needs and not spec.needs & given.names:
        wanted = ", ".join(sorted(spec.needs)[:4])
        raise Unproven("shell-option", f"`{name}` only reads with an option such as {wanted}.")
    many = len(given.operands) > (spec.operands or 0) or any(
        word.spread is not Spread.ONE for word in given.operands
    )
    if spec.operands is not None and given.operands and many:
        raise Unproven("shell-operand", f"`{name}` may act on an operand it has here.")
    if spec.some and not given.operands:
        raise Unproven("shell-operand", f"`{name}` reads its commands from its input.")
    for at, word in enumerate(given.operands):
        wanted_here = [
            pattern for pattern in (spec.each, spec.first if at == 0 else None) if pattern
        ]
        if not all(_matches(pattern, word) for pattern in wanted_here):
            raise Unproven("shell-operand", f"`{name} {word.head}` is not known to only read.")


def _matches(pattern: re.Pattern[str], word: Word) -> bool:
    return word.exact and bool(pattern.fullmatch(word.head))


def _looks_like_option(word: Word, signs: str) -> bool:
    return word.may_be_option or ("+" in signs and word.head[:1] == "+")


def _unknown(name: str, word: Word) -> Unproven:
    if word.exact:
        return Unproven("shell-option", f"`{name} {word.head}` is not known to only read.")
    return Unproven("shell-option", f"An argument of `{name}` may turn out to be an option.")


def _whole(name: str, word: Word, queue: deque[Word], spec: Spec) -> tuple[str, Word | None]:
    """`--option`, `--option value` or `--option=value`; abbreviations are not known."""
    option, attached, _ = word.head.partition("=")
    kind = spec.options.get(option)
    if kind is None or (not attached and not word.exact) or (attached and kind == _FLAG):
        raise _unknown(name, word)
    if attached:
        return option, _value(name, option, word.after(len(option) + 1), spec)
    if kind == _VALUE and queue:
        return option, _value(name, option, _following(name, queue), spec)
    return option, None


def _letters(
    name: str, word: Word, queue: deque[Word], spec: Spec
) -> Iterable[tuple[str, Word | None]]:
    """`-abc`, `-n5` or `-n 5`."""
    if _NUMBER in spec.options and word.exact and word.head[1:].isdecimal():
        return
    for at, letter in enumerate(word.head[1:], start=2):
        option = word.head[0] + letter
        kind = spec.options.get(option)
        if kind is None:
            raise _unknown(name, word)
        rest = word.after(at)
        if kind == _FLAG:
            yield option, None
            continue
        if rest.head or not rest.exact:
            yield option, _value(name, option, rest, spec)
        elif kind == _VALUE and queue:
            yield option, _value(name, option, _following(name, queue), spec)
        else:
            yield option, None
        return
    if not word.exact:
        raise _unknown(name, word)


def _following(name: str, queue: deque[Word]) -> Word:
    """The next word as a value. One that looks like an option is not believed to be one."""
    word = queue.popleft()
    if word.may_be_option and not (word.exact and _NEGATIVE.match(word.head)):
        raise _unknown(name, word)
    return word


def _value(name: str, option: str, value: Word, spec: Spec) -> Word:
    if value.spread is not Spread.ONE:
        raise Unproven("shell-option", f"The value of `{name} {option}` may be several words.")
    pattern = spec.values.get(option)
    if pattern and not _matches(pattern, value):
        raise Unproven("shell-option", f"`{name} {option} {value.head}` is not known to only read.")
    return value
