"""Plain values as bytes that say the same wherever they are read, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ormsgpack

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_UUID
)


class Inexact(ValueError):
    """A value has no plain form, and why."""


def pack(value: Any, plain: Callable[[Any], Any] | None = None) -> bytes:
    """A value of dicts, lists, texts, numbers and bytes; `plain` makes such of anything else.

    Raises:
        Inexact: something in it is neither.
    """
    try:
        return ormsgpack.packb(value, plain, _PLAIN)
    except ormsgpack.MsgpackEncodeError as error:
        raise Inexact(str(error)) from None


def unpack(data: bytes) -> Any:
    """What was packed; tuples come back as lists."""
    return ormsgpack.unpackb(data, option=ormsgpack.OPT_NON_STR_KEYS)
