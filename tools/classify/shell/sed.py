"""`sed`: a script is read command by command; those that write or run are not known to read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .unproven import Unproven

if TYPE_CHECKING:
    from .simple import Simple

_BETWEEN = re.compile(r"[\s;]*")
_LINE_ADDRESS = re.compile(r"\d+(?:~\d+)?|\$|[+~]\d+")
_AFTER_ADDRESS = re.compile(r"[IM]*")
_PLAIN = frozenset("=dDgGhHnNpPxzFqQl")
_TO_LINE_END = frozenset("aicrR#")
_JUMPS = frozenset("btT:")
_SCRIPTS = frozenset({"-e", "--expression"})
_FLAGS = re.compile(r"[gpiImM0-9]*")
_LABEL = re.compile(r"[ \t]*[^\s;}]*")
"""What stands behind it with a blank between is a command of its own in GNU's."""
_END = re.compile(r"[ \t]*(?:\d*[ \t]*)(?=[;\n}#]|$)")


def check(command: Simple) -> None:
    """Judge a `sed` by its options and its script.

    Raises:
        Unproven: the script is not seen, or may write or run something.
    """
    given = command.checked()
    scripts = [value for name, value in given.options if name in _SCRIPTS and value]
    scripts = scripts or given.operands[:1]
    if not scripts or not all(script.exact for script in scripts):
        raise Unproven("shell-dynamic", "The script of `sed` is known only once it runs.")
    _Reader("\n".join(script.head for script in scripts)).read()


class _Reader:
    """Goes through a script as sed does, and stops at what it does not know."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> None:
        self._skip(_BETWEEN)
        while self._at < len(self._text):
            self._addresses()
            self._command(self._next())
            self._skip(_BETWEEN)

    def _addresses(self) -> None:
        while self._address():
            self._skip(re.compile(r"\s*"))
            if not self._peek(","):
                break
            self._at += 1
            self._skip(re.compile(r"\s*"))
        self._skip(re.compile(r"[\s!]*"))

    def _address(self) -> bool:
        if self._peek("/") or self._peek("\\"):
            if self._next() == "\\":
                self._section(self._next(), pattern=True)
            else:
                self._section("/", pattern=True)
            self._skip(_AFTER_ADDRESS)
            return True
        return bool(self._skip(_LINE_ADDRESS))

    def _command(self, letter: str) -> None:
        if letter in _PLAIN:
            self._end()
        elif letter in "sy" and letter:
            delimiter = self._next()
            self._section(delimiter, pattern=letter == "s")
            self._section(delimiter, pattern=False)
            if letter == "s":
                self._skip(_FLAGS)
            self._end()
        elif letter in _TO_LINE_END:
            line = self._skip(re.compile(r"[^\n]*"))
            if letter in "aic" and line.endswith("\\"):
                raise self._unknown(letter)
        elif letter in _JUMPS:
            self._skip(_LABEL)
            self._end()
        elif letter not in {"{", "}"}:
            raise self._unknown(letter)

    def _section(self, delimiter: str, *, pattern: bool) -> None:
        """Text up to the next delimiter that no backslash keeps."""
        if not delimiter or delimiter in "\\\n" or delimiter.isalnum() or delimiter.isspace():
            raise self._unknown("s")
        begin = self._at
        while (letter := self._next()) != delimiter:
            if letter == "\\":
                letter = self._next()
            if not letter or letter == "\n":
                raise self._unknown("s")
        text = self._text[begin : self._at - 1]
        if pattern and _has_open_bracket(text):
            raise self._unknown("s")

    def _end(self) -> None:
        if _END.match(self._text, self._at) is None:
            raise self._unknown(self._text[self._at])
        self._skip(_END)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found[0] if found else ""

    def _peek(self, letter: str) -> bool:
        return self._text.startswith(letter, self._at)

    def _next(self) -> str:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        return letter

    @staticmethod
    def _unknown(letter: str) -> Unproven:
        return Unproven("shell-script", f"The script of `sed` has `{letter}`, which may act.")


def _has_open_bracket(pattern: str) -> bool:
    """Whether a delimiter within brackets may have ended the pattern: seds differ in that."""
    unescaped = re.sub(r"\\.", "", pattern)
    return "[" in re.sub(r"\[\^?\]?(?:\[[:.=][a-z]+[:.=]\]|[^\]])*\]", "", unescaped)
