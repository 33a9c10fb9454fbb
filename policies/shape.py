"""What Cedar can see of a tool's arguments: types, attributes, and what is left out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_DEPTH = 32
RESERVED_KEYS = frozenset({"__entity", "__extn", "__expr"})
"""Keys by which Cedar's JSON leaves plain data: a value under them would be read as an entity."""

ABSENT: Any = object()


class Kind(StrEnum):
    """A scalar type of Cedar."""

    TEXT = "String"
    LONG = "Long"
    DECIMAL = "decimal"
    BOOL = "Boolean"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class SetOf:
    element: Shape


@dataclass(frozen=True, slots=True)
class Member:
    """One attribute of a record. `default` is what the tool gets if the argument is absent."""

    shape: Shape
    required: bool
    default: Any = ABSENT


@dataclass(frozen=True, slots=True)
class Record:
    """Attributes by name, the ones left out with the reason, and whether others may be there."""

    members: Mapping[str, Member]
    left_out: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    open: bool = False

    @property
    def whole(self) -> bool:
        return not self.left_out and not self.open


Shape = Kind | SetOf | Record


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a policy cannot refer to a path."""

    reason: str


def find(record: Record, path: tuple[str, ...]) -> Shape | LeftOut | None:
    """What is at `path`: its shape, why it was left out, or None if nothing is declared there."""
    shape: Shape = record
    for name in path:
        if not isinstance(shape, Record):
            return None
        if name in shape.left_out:
            return LeftOut(shape.left_out[name])
        if name not in shape.members:
            return LeftOut("undeclared arguments are not seen") if shape.open else None
        shape = shape.members[name].shape
    return shape


def left_out_paths(record: Record, prefix: str = "input") -> Iterator[tuple[str, str]]:
    """Every path a policy cannot refer to, with the reason."""
    for name, reason in record.left_out.items():
        yield f"{prefix}.{name}", reason
    for name, member in record.members.items():
        if isinstance(member.shape, Record):
            yield from left_out_paths(member.shape, f"{prefix}.{name}")
