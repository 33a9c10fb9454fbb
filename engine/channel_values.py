"""Channel values as they are stored: whole, or as what differs from an earlier step.

A list is compared element by element with what was stored of it before, by content, so that an
element changed in place is seen. What is kept of the old list is its common beginning; a difference
holds the length of that and the elements after it. Chains of differences are bounded: at some point
the value is stored whole again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ormsgpack
from langchain_core.messages import BaseMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        marks: for a list, the content of each element; else of the value.
        chain: differences between `base` and `at`.
        tail: their bytes; `whole`: bytes of the value at `base`.
    """

    at: str
    base: str
    marks: list[bytes] | bytes
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
        or (type(value) is str and len(value) <= _INLINE)
    )


def encode(
    serde: SerializerProtocol, step: str, value: Any, before: Head | None
) -> tuple[Head, Entry | None]:
    """How to store a value at a step; no entry where it is what is stored already."""
    if type(value) is not list or not value:
        return _encode_whole(serde, step, value, before)
    marks = [mark(serde, element) for element in value]
    if before is not None and before.chain < _LONGEST_CHAIN and isinstance(before.marks, list):
        keep = _common(before.marks, marks)
        if keep == len(marks) == len(before.marks):
            return before, None
        if keep:
            kind, data = serde.dumps_typed(value[keep:])
            tail = before.tail + len(data)
            if tail <= _GROWTH * before.whole + _FLOOR:
                chain = before.chain + 1
                head = replace(before, at=step, marks=marks, chain=chain, tail=tail)
                return head, Entry(kind, data, before.at, keep)
    kind, data = serde.dumps_typed(value)
    return Head(step, step, marks, whole=len(data)), Entry(kind, data)


def _encode_whole(
    serde: SerializerProtocol, step: str, value: Any, before: Head | None
) -> tuple[Head, Entry | None]:
    kind, data = serde.dumps_typed(value)
    same = kind.encode() + b":" + data
    if before is not None and before.marks == same:
        return before, None
    return Head(step, step, same, whole=len(data)), Entry(kind, data)


def _common(old: Sequence[bytes], new: Sequence[bytes]) -> int:
    """How many elements two lists have in common at their beginning."""
    if new[: len(old)] == old:
        return len(old)
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (was, now) in pairs if was != now), min(len(old), len(new)))


_tags: dict[type, bytes] = {}
_messages: dict[type, bytes] = {}


def mark(serde: SerializerProtocol, element: Any) -> bytes:
    """The content of an element, exactly: equal marks of one process are equal elements."""
    kind = type(element)
    try:
        if kind not in _messages:
            _messages[kind] = _tag(kind) if issubclass(kind, BaseMessage) else b""
        tag = _messages[kind]
        if not tag:
            return ormsgpack.packb(element, option=_AS_IT_IS)
        if not element.__pydantic_extra__:
            # its fields, at a tenth of the cost of dumping the model
            return tag + ormsgpack.packb(element.__dict__, option=_AS_IT_IS)
    except (ormsgpack.MsgpackEncodeError, TypeError):
        pass
    name, data = serde.dumps_typed(element)
    return _tag(kind) + name.encode() + b":" + data


def _tag(kind: type) -> bytes:
    """Tells classes apart whose fields are the same; no plain value begins with this byte."""
    if kind not in _tags:
        _tags[kind] = b"\xc1" + len(_tags).to_bytes(4, "big")
    return _tags[kind]


@dataclass(frozen=True, slots=True)
class Reader:
    """Puts values together from the entries of the steps they rest on; `rows` is step → entries."""

    serde: SerializerProtocol
    rows: Mapping[str, Mapping[str, Entry]]

    def value(self, channel: str, at: str) -> tuple[Any, list[Entry]]:
        """A channel's value, and the entries it is made of, the whole one first.

        Raises:
            KeyError: a step that it rests on is not among the rows.
        """
        entries = [self.rows[step][channel] for step in reversed(self.chain(channel, at))]
        value = self._load(entries[0])
        for entry in entries[1:]:
            value[entry.keep :] = self._load(entry)
        return value, entries

    def chain(self, channel: str, at: str) -> list[str]:
        """The steps that a channel's value rests on, the whole one last.

        Raises:
            KeyError: one of them is not among the rows.
        """
        steps = [at]
        while (on := self.rows[steps[-1]][channel].on) is not None:
            steps.append(on)
        return steps

    def _load(self, entry: Entry) -> Any:
        return self.serde.loads_typed((entry.type, entry.data))


def head(
    serde: SerializerProtocol, at: str, base: str, value: Any, entries: Sequence[Entry]
) -> Head:
    """What the next value may rest on, after a value was read."""
    first, last = entries[0], entries[-1]
    marks: list[bytes] | bytes
    if type(value) is list and value:
        marks = [mark(serde, element) for element in value]
    else:
        marks = last.type.encode() + b":" + last.data
    tail = sum(len(entry.data) for entry in entries[1:])
    return Head(at, base, marks, len(entries) - 1, tail, len(first.data))
