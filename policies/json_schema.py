"""A tool's JSON schema read as the part of it that Cedar can see.

| JSON schema                        | Cedar                                  |
|------------------------------------|----------------------------------------|
| string, enum or const of strings   | String                                 |
| integer, enum or const of integers | Long                                   |
| number                             | decimal                                |
| boolean                            | Bool                                   |
| array of one mappable type         | Set (order and repetition are not seen)|
| object with properties             | record                                 |
| not required, or null in a union   | optional attribute                     |

Everything else (free-form objects, unions, tuples, recursion, any value) is left out of the record
and kept in `Record.left_out` with the reason, so that a policy that names it is refused when it is
loaded instead of silently never matching. An array whose elements would be seen in part only is
left out whole: membership of a partial element would say more than was compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .shape import ABSENT, MAX_DEPTH, RESERVED_KEYS, Kind, Member, Record, SetOf, Shape


def input_record(schema: Mapping[str, Any]) -> Record:
    """The record of a tool's arguments, from the JSON schema of those arguments."""
    reader = _Reader(schema)
    if "$ref" in schema:
        shape, _ = reader.shape(schema, ())
        return shape if isinstance(shape, Record) else Record({})
    return reader.record(schema, ())


class _UnmappableError(Exception):
    """A part of a JSON schema has no Cedar type; the message is the reason."""


_SCALARS = {
    "string": Kind.TEXT,
    "integer": Kind.LONG,
    "number": Kind.DECIMAL,
    "boolean": Kind.BOOL,
}
_LITERALS = {str: Kind.TEXT, int: Kind.LONG, bool: Kind.BOOL}


class _Reader:
    """Reads one JSON schema; `trail` holds the references and levels passed on the way down."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def record(self, node: Mapping[str, Any], trail: tuple[str, ...]) -> Record:
        members: dict[str, Member] = {}
        left_out: dict[str, str] = {}
        for name, part in (node.get("properties") or {}).items():
            if name in RESERVED_KEYS:
                left_out[name] = "the name is reserved by Cedar"
                continue
            try:
                shape, nullable = self.shape(part, (*trail, "."))
            except _UnmappableError as reason:
                left_out[name] = str(reason)
                continue
            required = name in node.get("required", ()) and not nullable
            members[name] = Member(shape, required, part.get("default", ABSENT))
        is_open = node.get("additionalProperties", False) is not False
        return Record(members, left_out, is_open or "patternProperties" in node)

    def shape(self, node: Any, trail: tuple[str, ...]) -> tuple[Shape, bool]:
        """The shape of a schema, and whether null is among its values."""
        if not isinstance(node, Mapping):
            raise _UnmappableError("any value is allowed here")
        if len(trail) > MAX_DEPTH:
            raise _UnmappableError(f"it is nested deeper than {MAX_DEPTH} levels")
        if "$ref" in node:
            return self._referenced(node["$ref"], trail)
        if "allOf" in node:
            return self._only(node["allOf"], trail, "a combination of schemas")
        for union in ("anyOf", "oneOf"):
            if union in node:
                return self._nullable(node[union], trail)
        if "const" in node:
            return _literals([node["const"]])
        if "enum" in node:
            return _literals(node["enum"])
        return self._typed(node, trail)

    def _referenced(self, ref: str, trail: tuple[str, ...]) -> tuple[Shape, bool]:
        if ref in trail:
            raise _UnmappableError("it is recursive")
        node: Any = self._root
        for key in ref.removeprefix("#").strip("/").split("/"):
            node = node.get(key) if isinstance(node, Mapping) else None
        return self.shape(node, (*trail, ref))

    def _only(self, parts: list[Any], trail: tuple[str, ...], what: str) -> tuple[Shape, bool]:
        if len(parts) != 1:
            raise _UnmappableError(f"it is {what}")
        return self.shape(parts[0], trail)

    def _nullable(self, parts: list[Any], trail: tuple[str, ...]) -> tuple[Shape, bool]:
        others = [part for part in parts if part != {"type": "null"}]
        shape, nullable = self._only(others, trail, "a union of types")
        return shape, nullable or len(others) < len(parts)

    def _typed(self, node: Mapping[str, Any], trail: tuple[str, ...]) -> tuple[Shape, bool]:
        declared = node.get("type")
        names = [declared] if isinstance(declared, str) else list(declared or ())
        types = [name for name in names if name != "null"]
        if len(types) != 1:
            raise _UnmappableError("it is a union of types" if types else "it has no type")
        return self._of_type(types[0], node, trail), len(types) < len(names)

    def _of_type(self, name: str, node: Mapping[str, Any], trail: tuple[str, ...]) -> Shape:
        if name in _SCALARS:
            return _SCALARS[name]
        if name == "array":
            return SetOf(self._element(node, trail))
        if name == "object" and node.get("properties"):
            return self.record(node, trail)
        raise _UnmappableError("it is a free-form object" if name == "object" else f"type {name}")

    def _element(self, node: Mapping[str, Any], trail: tuple[str, ...]) -> Shape:
        if "prefixItems" in node:
            raise _UnmappableError("it is a tuple")
        shape, nullable = self.shape(node.get("items"), (*trail, "[]"))
        if nullable:
            raise _UnmappableError("its elements may be null")
        if isinstance(shape, Record) and not all(_wholes(shape)):
            raise _UnmappableError("its elements would be seen in part only")
        return shape


def _wholes(record: Record) -> Iterator[bool]:
    yield record.whole
    for member in record.members.values():
        if isinstance(member.shape, Record):
            yield from _wholes(member.shape)


def _literals(values: list[Any]) -> tuple[Shape, bool]:
    types = {type(value) for value in values if value is not None}
    if len(types) != 1 or not types <= _LITERALS.keys():
        raise _UnmappableError("its values are not all strings or all integers")
    return _LITERALS[types.pop()], None in values
