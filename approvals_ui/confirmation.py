"""What a person types to approve something that cannot be undone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..engine.queries import CallRow

_TYPABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@/-]{2,39}")
_SYNTAX = re.compile(r"[\^$\\.*+?()\[\]{}|/]")


def to_type(call: CallRow, headline: str) -> str:
    """The object's own name where the headline names one, else the tool's.

    Typing the object makes its reader look at which one it is.
    """
    for value in call.args.values():
        if isinstance(value, str) and _TYPABLE.fullmatch(value) and _has_word(headline, value):
            return value
    return call.tool


def pattern(text: str) -> str:
    """A regular expression for HTML's `pattern` that only this text fits.

    `re.escape` also escapes characters that the browser's stricter syntax must not have escaped.
    """
    return _SYNTAX.sub(r"\\\g<0>", text)


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
