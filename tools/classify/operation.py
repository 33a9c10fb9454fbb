"""What an operation of an OpenAPI document says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .lexicon import ACTING, EITHER, READING, plain, words_of
from .sentences import acting_words

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPUTING: Final = frozenset(
    {"search", "preview", "render", "calculate", "compute", "estimate", "lookup", "count", "list"}
)


@dataclass(frozen=True, slots=True)
class Said:
    """Attributes:
    acts: the words that say that it acts, or nothing.
    reads: whether its name says that it reads.
    computes: why it changes nothing, as the end of a sentence, where its name says so.
    """

    acts: str = ""
    reads: bool = False
    computes: str = ""


def what_it_says(operation: Mapping[str, Any] | None) -> Said:
    """Of its `operationId`, `summary` and `description`; nothing where there is none."""
    if operation is None:
        return Said()
    texts = [operation.get(key, "") for key in ("operationId", "summary", "description")]
    name, *prose = [plain(text) if isinstance(text, str) else None for text in texts]
    if name is None or any(text is None for text in prose):
        return Said(acts="something that cannot be read")
    words = words_of(name)
    acts = next((word for word in words if word in ACTING), "")
    for text in prose:
        acts = acts or next(iter(acting_words(text or "")), "")
    reads = bool(words) and any(word in READING for word in words[:2])
    ends = {words[0], words[-1]} if words else set()
    is_computing = bool(ends & _COMPUTING) and not set(words) & (EITHER - {"query"})
    if acts:
        return Said(acts=f"`{acts}`")
    return Said("", reads, f"is called `{name[:60]}`" if is_computing else "")
