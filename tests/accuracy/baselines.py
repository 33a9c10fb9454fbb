"""What simpler gates do: one look at the first word, or a list of verbs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIRST_KEYWORDS = {"select", "with", "show", "explain", "values", "table", "describe"}
_FIRST_WORDS = {
    *("ls", "cat", "grep", "find", "git", "head", "tail", "wc", "sort", "uniq", "cut", "awk"),
    *("sed", "echo", "pwd", "stat", "du", "df", "ps", "env", "date", "docker", "kubectl", "curl"),
    *("tar", "xargs", "which", "file", "diff", "tree", "less", "ip", "systemctl", "printf", "test"),
}
_VERBS = {"get", "list", "search", "find", "read", "describe", "show", "fetch", "query", "view"}


def first_keyword(row: Mapping[str, Any]) -> bool:
    """A statement that begins like a query."""
    return row["call"].split(None, 1)[0].lower() in _FIRST_KEYWORDS


def first_word(row: Mapping[str, Any]) -> bool:
    """A command line that begins with a command that often reads."""
    return row["call"].split(None, 1)[0] in _FIRST_WORDS


def get_is_safe(row: Mapping[str, Any]) -> bool:
    """GET, HEAD and OPTIONS."""
    return row["call"].split()[0] in {"GET", "HEAD", "OPTIONS"}


def verb_lexicon(row: Mapping[str, Any]) -> bool:
    """A name with a reading verb in it."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", row["name"])
    return any(part.lower() in _VERBS for part in parts)


BASELINES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    "SQL": ("first keyword", first_keyword),
    "shell": ("first word", first_word),
    "HTTP": ("GET is safe", get_is_safe),
    "MCP tools": ("verb lexicon", verb_lexicon),
    "tau2 tools": ("verb lexicon", verb_lexicon),
}
