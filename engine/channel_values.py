"""Channel values as they are stored: whole, or as what differs from an earlier step.

A list is compared element by element with what was stored of it before, by content, so that an
element changed in place is seen. What is kept of the old list is its common beginning; a difference
holds the length of that and the elements after it. Chains of differences are bounded: at some point
the value is stored whole again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import ormsgpack
from langchain_core.messages import BaseMessage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from langgraph.checkpoint.serde.base import SerializerProtocol

Stored = tuple[str, bytes]
"""A value as the serialiser types it."""

_LONGEST_CHAIN = 512
_GROWTH = 2
"""Differences may be this many times as large as the whole value they rest on…"""
_FLOOR = 256 * 1024
"""…and this many bytes in any case."""
_INLINE = 64
_AS_IT_IS = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)


@dataclass(frozen=True, slots=True)
class Head:
    """The latest stored value of a channel, and what the next one may rest on.

    Attributes:
        at: the step that stored it.
        base: the step at the root of its chain of differences.
        content: what it holds, to compare the next value with.
        chain: differences between `base` and `at`.
        tail: their bytes; `whole`: bytes of the value at `base`.
    """

    at: str
    base: str
    content: Content | bytes
    chain: int = 0
    tail: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A channel's value in one step's row. With `on`: the first `keep` elements are that step's."""

    type: str
    data: bytes
    on: str | None = None
    keep: int = 0

    def packed(self) -> list[Any]:
        """As it goes into the row."""
        return [self.type, self.data, self.on, self.keep]


def is_small(value: Any) -> bool:
    """Whether a value is stored with every step rather than followed."""
    return (
        value is None
        or type(value) in (bool, int, float)
        or (type(value) is str and len(value) <= _INLINE and value.isascii())
    )


def encode(
    serde: SerializerProtocol, step: str, value: Any, before: Head | None
) -> tuple[Head, Entry | None]:
    """How to store a value at a step; no entry where it is what is stored already."""
    if type(value) is not list or not value:
        return _encode_whole(serde, step, value, before)
    content = Content.of(serde, value)
    old = before.content if before is not None else None
    if before is not None and isinstance(old, Content):
        keep = content.common(old, value, serde)
        if keep == len(value) == len(old.kinds):
            return before, None
        if keep and before.chain < _LONGEST_CHAIN:
            kind, data = serde.dumps_typed(value[keep:])
            tail = before.tail + len(data)
            if tail <= _GROWTH * before.whole + _FLOOR:
                chain = before.chain + 1
                head = Head(step, before.base, content, chain, tail, before.whole)
                return head, Entry(kind, data, before.at, keep)
    kind, data = serde.dumps_typed(value)
    return Head(step, step, content, whole=len(data)), Entry(kind, data)


def _encode_whole(
    serde: SerializerProtocol, step: str, value: Any, before: Head | None
) -> tuple[Head, Entry | None]:
    kind, data = serde.dumps_typed(value)
    same = kind.encode() + b":" + data
    if before is not None and before.content == same:
        return before, None
    return Head(step, step, same, whole=len(data)), Entry(kind, data)


@dataclass(frozen=True, slots=True)
class Content:
    """What a list holds, exactly: the classes of its elements, and their fields one after another.

    Attributes:
        is_packed: whether the fields are msgpack's own form; else the serialiser's.
    """

    kinds: tuple[type, ...]
    body: bytes
    is_packed: bool

    @classmethod
    def of(cls, serde: SerializerProtocol, value: Sequence[Any]) -> Self:
        """Messages by their fields, which costs a tenth of dumping the models."""
        kinds = tuple(map(type, value))
        try:
            packed = ormsgpack.packb(_fields(kinds, value), option=_AS_IT_IS)
        except (ormsgpack.MsgpackEncodeError, TypeError):
            body = b"".join(_framed(serde, element) for element in value)
            return cls(kinds, body, is_packed=False)
        return cls(kinds, packed[_header(len(value)) :], is_packed=True)

    def common(self, old: Self, value: Sequence[Any], serde: SerializerProtocol) -> int:
        """How many elements at the beginning are those of an older content of the list."""
        if self.is_packed != old.is_packed:
            return 0
        shorter = min(len(self.kinds), len(old.kinds))
        if self.kinds[:shorter] == old.kinds[:shorter]:
            if shorter == len(old.kinds) and self.body.startswith(old.body):
                return shorter
            if shorter == len(self.kinds) and old.body.startswith(self.body):
                return shorter
        return self._count(old, value, serde)

    def _count(self, old: Self, value: Sequence[Any], serde: SerializerProtocol) -> int:
        alike = _alike(self.body, old.body)
        end = 0
        for at, (element, kind) in enumerate(zip(value, self.kinds, strict=True)):
            end += len(_one(element, kind) if self.is_packed else _framed(serde, element))
            if end > alike or at >= len(old.kinds) or kind is not old.kinds[at]:
                return at
        return len(value)


def _fields(kinds: tuple[type, ...], value: Sequence[Any]) -> Sequence[Any]:
    """What tells elements apart whose classes are known.

    Raises:
        TypeError: their fields are not all that they hold.
    """
    are_messages = {_is_message(kind) for kind in set(kinds)}
    if are_messages == {False}:
        return value
    if are_messages == {True} and not any(element.__pydantic_extra__ for element in value):
        return [element.__dict__ for element in value]
    raise TypeError("some are messages, or have fields of their own")


@cache
def _is_message(kind: type) -> bool:
    return issubclass(kind, BaseMessage)


def _one(element: Any, kind: type) -> bytes:
    """An element as it is within a packed content."""
    fields = element.__dict__ if _is_message(kind) else element
    return ormsgpack.packb(fields, option=_AS_IT_IS)


def _framed(serde: SerializerProtocol, element: Any) -> bytes:
    """An element as it is within a content that is not packed."""
    name, data = serde.dumps_typed(element)
    return f"{name}:{len(data)}:".encode() + data


def _header(count: int) -> int:
    """The bytes that msgpack puts before an array of so many elements."""
    return 1 if count < 16 else 3 if count < 65536 else 5  # noqa: PLR2004 - msgpack's


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common at their beginning, found by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


Rows = Mapping[str, Mapping[str, Entry]]
"""Step → channel → entry."""


def chain_of(rows: Rows, channel: str, at: str) -> list[str]:
    """The steps that a channel's value rests on, the whole one last.

    Raises:
        KeyError: one of them is not among the rows.
    """
    steps = [at]
    while (on := rows[steps[-1]][channel].on) is not None:
        steps.append(on)
    return steps


def entries_of(rows: Rows, channel: str, at: str) -> list[Entry]:
    """The entries that a channel's value is made of, the whole one first.

    Raises:
        KeyError: a step that it rests on is not among the rows.
    """
    return [rows[step][channel] for step in reversed(chain_of(rows, channel, at))]


def decode(serde: SerializerProtocol, entries: Sequence[Entry]) -> Any:
    """The value that entries make up."""
    value = serde.loads_typed((entries[0].type, entries[0].data))
    for entry in entries[1:]:
        value[entry.keep :] = serde.loads_typed((entry.type, entry.data))
    return value


def head(
    serde: SerializerProtocol, at: str, base: str, value: Any, entries: Sequence[Entry]
) -> Head:
    """What the next value may rest on, after a value was read."""
    first, last = entries[0], entries[-1]
    content: Content | bytes
    if type(value) is list and value:
        content = Content.of(serde, value)
    else:
        content = last.type.encode() + b":" + last.data
    tail = sum(len(entry.data) for entry in entries[1:])
    return Head(at, base, content, len(entries) - 1, tail, len(first.data))


def joined(entries: Sequence[Entry]) -> Entry:
    """The value that entries make up, stored whole; what it holds is not rebuilt.

    So it does not depend on which classes the reader knows.
    """
    if len(entries) == 1:
        return Entry(entries[0].type, entries[0].data)
    value: list[Any] = []
    for entry in entries:
        value[entry.keep :] = ormsgpack.unpackb(
            entry.data, ext_hook=ormsgpack.Ext, option=ormsgpack.OPT_NON_STR_KEYS
        )
    return Entry(entries[0].type, ormsgpack.packb(value, option=ormsgpack.OPT_NON_STR_KEYS))
