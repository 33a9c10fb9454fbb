"""How a page checks what a person types to approve something that cannot be undone."""

from __future__ import annotations

import re

_SYNTAX = re.compile(r"[\^$\\.*+?()\[\]{}|/]")


def pattern(text: str) -> str:
    """A regular expression for HTML's `pattern` that only this text fits.

    `re.escape` also escapes characters that the browser's stricter syntax must not have escaped.
    """
    return _SYNTAX.sub(r"\\\g<0>", text)
