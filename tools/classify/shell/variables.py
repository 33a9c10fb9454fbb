"""Which variables may be set without changing what the commands of a script do."""

from __future__ import annotations

import re

from .catalogue import catalogue
from .unproven import Unproven
from .words import Word

_OWN = re.compile(r"[a-z][a-z0-9_]*|_[a-z0-9_]+")
_HARMLESS = re.compile(
    r"LC_[A-Z]+|LANG|LANGUAGE|TZ|COLUMNS|LINES|NO_COLOR|CLICOLOR|CLICOLOR_FORCE|FORCE_COLOR|GREP_COLORS?"
    r"|LS_COLORS|BLOCKSIZE|IFS|GIT_OPTIONAL_LOCKS|AWS_PROFILE|AWS_REGION|AWS_DEFAULT_REGION"
    r"|SYSTEMD_COLORS|PYTHONIOENCODING"
)
_PAGERS = frozenset({"PAGER", "GIT_PAGER", "MANPAGER", "SYSTEMD_PAGER", "AWS_PAGER", "BAT_PAGER"})
_NO_PAGERS = (Word("cat"), Word(""))


def _is_own(name: str) -> bool:
    """Whether a script has the variable for itself: nothing that it starts reads it."""
    if name in catalogue().own_variables:
        return True
    reserved = name in catalogue().shell_variables or "proxy" in name or "config" in name
    return bool(_OWN.fullmatch(name)) and not reserved


def check_variable(name: str, value: Word | None = None, *, exported: bool = False) -> None:
    """Let a variable be set, by an assignment, a loop or `read`.

    Args:
        name: the variable's.
        value: what it is set to; None where that is not known.
        exported: whether commands get it in any case.

    Raises:
        Unproven: commands may do something else because of it.
    """
    if not exported and _is_own(name):
        return
    if _HARMLESS.fullmatch(name) or (name in _PAGERS and value in _NO_PAGERS):
        return
    raise Unproven("shell-environment", f"Setting `{name}` may change what commands do.")
