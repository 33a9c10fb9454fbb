from __future__ import annotations

from typing import Any, Literal

import pytest
from interlock.policies.json_schema import input_record
from interlock.policies.shape import Kind, Record, SetOf, left_out_paths
from pydantic import BaseModel, create_model


def member(schema: Any, **root: Any) -> Any:
    record = input_record({"properties": {"x": schema}, "required": ["x"], **root})
    return record.members.get("x") or record.left_out["x"]


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ({"type": "string"}, Kind.TEXT),
        ({"type": "string", "format": "date-time"}, Kind.TEXT),
        ({"type": "integer"}, Kind.LONG),
        ({"type": "number"}, Kind.DECIMAL),
        ({"type": "boolean"}, Kind.BOOL),
        ({"enum": ["a", "b"]}, Kind.TEXT),
        ({"enum": [1, 2]}, Kind.LONG),
        ({"const": "a"}, Kind.TEXT),
        ({"type": "array", "items": {"type": "integer"}}, SetOf(Kind.LONG)),
        ({"allOf": [{"type": "string"}]}, Kind.TEXT),
        ({"$ref": "#/$defs/Name"}, Kind.TEXT),
    ],
)
def test_a_type_that_cedar_has_is_mapped(schema: Any, shape: Any) -> None:
    found = member(schema, **{"$defs": {"Name": {"type": "string"}}})

    assert (found.shape, found.required) == (shape, True)


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"type": "string"}]},
        {"type": ["string", "null"]},
        {"enum": ["a", None]},
    ],
)
def test_null_among_the_values_makes_an_argument_optional(schema: Any) -> None:
    found = member(schema)

    assert (found.shape, found.required) == (Kind.TEXT, False)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (True, "any value"),
        ({}, "no type"),
        ({"type": "object"}, "free-form"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "free-form"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "union"),
        ({"type": ["string", "integer"]}, "union"),
        ({"allOf": [{"type": "string"}, {"maxLength": 3}]}, "combination"),
        ({"enum": ["a", 1]}, "not all strings"),
        ({"enum": [1, True]}, "not all strings"),
        ({"enum": [1.5]}, "not all strings"),
        ({"type": "array"}, "any value"),
        ({"type": "array", "prefixItems": [{"type": "string"}]}, "tuple"),
        ({"type": "array", "items": {"type": ["string", "null"]}}, "null"),
        ({"$ref": "#/$defs/Node"}, "recursive"),
        ({"$ref": "#/$defs/Missing"}, "any value"),
        ({"type": "null"}, "no type"),
        ({"type": "file"}, "type file"),
    ],
)
def test_what_cedar_cannot_hold_is_left_out_with_the_reason(schema: Any, reason: str) -> None:
    node = {"allOf": [{"$ref": "#/$defs/Node"}]}

    assert reason in member(schema, **{"$defs": {"Node": node}})


def test_a_schema_nested_beyond_bounds_is_left_out() -> None:
    schema = {"type": "string"}
    for _ in range(40):
        schema = {"type": "array", "items": schema}

    assert "deeper than 32" in member(schema)


def test_an_array_whose_elements_would_be_seen_in_part_is_left_out() -> None:
    partial = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}
    around = {"type": "object", "properties": {"inner": partial}}

    for items in (partial, around):
        assert "in part" in member({"type": "array", "items": items})


def test_a_name_reserved_by_cedar_is_left_out() -> None:
    record = input_record({"properties": {"__entity": {"type": "string"}}})

    assert record.left_out == {"__entity": "the name is reserved by Cedar"}


@pytest.mark.parametrize(
    "schema", [{"additionalProperties": {"type": "string"}}, {"patternProperties": {"^x-": {}}}]
)
def test_a_schema_that_takes_undeclared_arguments_is_open(schema: Any) -> None:
    assert input_record(schema).open
    assert not input_record({}).open


def test_a_recursive_model_is_mapped_without_its_recursion() -> None:
    class Node(BaseModel):
        name: str
        child: Node | None = None

    record = input_record(Node.model_json_schema())

    assert dict(left_out_paths(record)) == {"input.child": "it is recursive"}
    assert record.members["name"].shape is Kind.TEXT


def test_the_arguments_of_a_pydantic_model_are_mapped() -> None:
    class Address(BaseModel):
        city: str

    fields = {
        "to": (Address, ...),
        "kind": (Literal["a", "b"], "a"),
        "price": (float, ...),
        "notes": (dict[str, str], {}),
    }
    record = input_record(create_model("Args", **fields).model_json_schema())

    assert isinstance(record.members["to"].shape, Record)
    assert record.members["kind"].shape is Kind.TEXT
    assert (record.members["kind"].required, record.members["kind"].default) == (False, "a")
    assert record.members["price"].shape is Kind.DECIMAL
    assert dict(left_out_paths(record)) == {"input.notes": "it is a free-form object"}
