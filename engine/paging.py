"""Pages of a list: some rows, and an opaque cursor to the rows after them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LARGEST_PAGE = 500


class InvalidCursor(UsageError):
    """The cursor was not made by this list."""


class Row(Protocol):
    """Anything that a list shows."""

    def as_json(self) -> dict[str, Any]:
        """The row as the API gives it."""
        ...


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Some rows in the list's order; `cursor` leads to those after them and is None at the end."""

    items: tuple[R, ...]
    cursor: str | None

    def as_json(self) -> dict[str, Any]:
        """The page as the API gives it."""
        return {"items": [item.as_json() for item in self.items], "cursor": self.cursor}


def page(found: Sequence[R], limit: int, place: Callable[[R], list[Any]]) -> Page[R]:
    """Cut a page of `limit` out of rows that were asked for with one more than that.

    `place` gives what the list is ordered by, for the cursor.
    """
    items = tuple(found[:limit])
    more = len(found) > limit
    return Page(items, encode(place(items[-1])) if more else None)


def bounded(limit: int) -> int:
    """The limit, refused when it is not between 1 and the largest page.

    Raises:
        UsageError: with the range.
    """
    if not 1 <= limit <= LARGEST_PAGE:
        raise UsageError(f"A page has 1 to {LARGEST_PAGE} rows, not {limit}.")
    return limit


def encode(place: list[Any]) -> str:
    """A place in a list's order as an opaque string."""
    raw = json.dumps(place, separators=(",", ":"), default=str).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


def decode(cursor: str, *kinds: Callable[[Any], Any]) -> list[Any]:
    """The place that a cursor stands for, each part read by its `kind`.

    Raises:
        InvalidCursor: the string is none of this list's.
    """
    try:
        parts = json.loads(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        return [kind(part) for kind, part in zip(kinds, parts, strict=True)]
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise InvalidCursor("This cursor does not belong to this list. Leave it out.") from None
