"""Whether a GraphQL document holds queries alone."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_TOKEN: Final = re.compile(
    r'"""(?:\\"""|(?!""").)*"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|[_A-Za-z]\w*|[^\s,\ufeff]',
    re.DOTALL | re.ASCII,
)
_OPENING: Final = frozenset("{([")
_CLOSING: Final = frozenset("})]")
_LONGEST: Final = 100_000


def only_queries(document: Any) -> bool:
    """Whether a document, or the JSON request around it, holds queries and fragments only."""
    if isinstance(document, bytes):
        document = document.decode("utf-8", "replace")
    if isinstance(document, str) and document.lstrip().startswith(("[", '{"')):
        document = _json(document)
    if isinstance(document, list):
        return bool(document) and all(only_queries(part) for part in document)
    if isinstance(document, dict):
        document = document.get("query")
    return isinstance(document, str) and _holds_queries(document)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _holds_queries(text: str) -> bool:
    """Each definition at the outermost level begins with `query`, `fragment` or a brace."""
    if len(text) > _LONGEST or '"' in _TOKEN.sub("", text):
        return False
    depth, is_definition, definitions = 0, True, 0
    for part in _TOKEN.findall(text):
        if part.startswith("#"):
            continue
        if depth == 0 and is_definition:
            if part not in {"query", "fragment", "{"}:
                return False
            definitions += 1
            is_definition = False
        if part in _OPENING:
            depth += 1
        elif part in _CLOSING:
            depth -= 1
            if depth < 0:
                return False
            is_definition = depth == 0 and part == "}"
        elif part == '"':
            return False
    return depth == 0 and is_definition and definitions > 0
