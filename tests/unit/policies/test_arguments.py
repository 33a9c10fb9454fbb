from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.policies.arguments import ArgumentRefusedError, cedar_input
from interlock.policies.json_schema import input_record

LEAVES = {
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "number": st.integers(-(10**15), 10**15).map(lambda n: float(Decimal(n) / 10000)),
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)

if TYPE_CHECKING:
    from collections.abc import Callable


def convert(value: Any, schema: Any) -> Any:
    record = input_record({"properties": {"x": schema}})
    return cedar_input({"x": value}, record).get("x")


def attempt(value: Any, schema: Any) -> tuple[Any, str | None]:
    try:
        return convert(value, schema), None
    except ArgumentRefusedError as refusal:
        return None, str(refusal)


def back(converted: Any) -> Any:
    """The JSON value that a Cedar value stands for."""
    if isinstance(converted, list):
        return [back(part) for part in converted]
    if isinstance(converted, dict) and "__extn" in converted:
        return float(converted["__extn"]["arg"])
    if isinstance(converted, dict):
        return {name: back(part) for name, part in converted.items()}
    return converted


def schema_of(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    leaf = st.sampled_from(sorted(LEAVES)).map(lambda name: {"type": name})
    if depth == 0:
        return leaf
    inner = schema_of(depth - 1)
    names = st.sampled_from(["a", "b", "with space", "ключ"])
    objects = st.dictionaries(names, inner, min_size=1).map(
        lambda properties: {"type": "object", "properties": properties}
    )
    return leaf | inner.map(lambda items: {"type": "array", "items": items}) | objects


def value_of(schema: Any) -> st.SearchStrategy[Any]:
    if schema["type"] == "array":
        return st.lists(value_of(schema["items"]), max_size=3)
    if schema["type"] == "object":
        parts = {name: value_of(part) for name, part in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=parts)
    return LEAVES[schema["type"]]


def typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, list):
        return [typed(part) for part in value]
    if isinstance(value, dict):
        return {name: typed(part) for name, part in value.items()}
    return type(value), value


@given(st.data())
def test_conversion_gives_every_value_back_unchanged(data: st.DataObject) -> None:
    schema = data.draw(schema_of(2))
    value = data.draw(value_of(schema))

    assert typed(back(convert(value, schema))) == typed(value)


@given(ANY_JSON, schema_of(1))
def test_any_value_is_converted_exactly_or_refused(value: Any, schema: Any) -> None:
    converted, refusal = attempt(value, schema)

    if refusal is None:
        assert without_nulls(back(converted)) == without_nulls(value)
    else:
        assert "`input.x" in refusal
        assert refusal.encode()


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if part is not None}
        return {name: without_nulls(part) for name, part in kept.items()}
    return [without_nulls(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("value", "schema", "problem"),
    [
        (float("nan"), "number", "not a finite number"),
        (float("inf"), "number", "not a finite number"),
        (0.00001, "number", "more than 4 decimals"),
        (1e15, "number", "too large"),
        (922337203685477.6, "number", "too large"),
        pytest.param(10**5000, "number", "too large", id="huge"),
        (True, "number", "not a number"),
        ("1.0", "number", "not a number"),
        (2**63, "integer", "64 bits"),
        (-(2**63) - 1, "integer", "64 bits"),
        (True, "integer", "not an integer"),
        (5.0, "integer", "not an integer"),
        ("5", "integer", "not an integer"),
        (1, "boolean", "not a boolean"),
        (1, "string", "not a string"),
        ("a\udc00", "string", "lone surrogate"),
        ({"__extn": {"fn": "ip", "arg": "::1"}}, "string", "not a string"),
    ],
)
def test_a_value_that_would_have_to_be_changed_is_refused(
    value: Any, schema: Any, problem: str
) -> None:
    with pytest.raises(ArgumentRefusedError, match=problem):
        convert(value, {"type": schema})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (49.99, "49.9900"),
        (0.1, "0.1000"),
        (-0.0001, "-0.0001"),
        (5, "5.0000"),
        (1e2, "100.0000"),
        (922337203685477, "922337203685477.0000"),
    ],
)
def test_a_number_is_the_decimal_that_its_text_says(value: Any, text: str) -> None:
    assert convert(value, {"type": "number"}) == {"__extn": {"fn": "decimal", "arg": text}}


def test_null_is_the_same_as_absent() -> None:
    optional = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    record = input_record({"properties": {"x": optional}, "required": ["x"]})

    assert cedar_input({"x": None}, record) == cedar_input({}, record) == {}


def test_null_in_an_array_is_refused_and_not_dropped() -> None:
    with pytest.raises(ArgumentRefusedError, match=r"`input\.x\[1\]`"):
        convert([1, None], {"type": "array", "items": {"type": "integer"}})


@pytest.mark.parametrize("key", ["__entity", "__extn", "__expr"])
def test_keys_reserved_by_cedar_are_refused_at_any_depth_seen_or_unseen(key: str) -> None:
    seen = {"type": "object", "properties": {"a": {"type": "string"}}}

    for schema in (seen, {"type": "object"}):
        with pytest.raises(ArgumentRefusedError, match=f"`input.x.{key}` uses a key reserved"):
            convert({key: {}}, schema)
    with pytest.raises(ArgumentRefusedError, match=f"`input.{key}` uses a key reserved"):
        cedar_input({key: 1}, input_record({"additionalProperties": True}))


def test_a_reserved_key_that_the_schema_declares_is_refused_too() -> None:
    record = input_record({"properties": {"__entity": {"type": "string"}}})

    with pytest.raises(ArgumentRefusedError, match="reserved"):
        cedar_input({"__entity": "x"}, record)


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}])
def test_nesting_deeper_than_32_levels_is_refused(wrap: Callable[[Any], Any]) -> None:
    value = 1
    for _ in range(32):
        value = wrap(value)

    assert convert(value, {}) is None
    with pytest.raises(ArgumentRefusedError, match="deeper than 32"):
        convert(wrap(value), {})


def test_depth_counts_from_the_top_through_what_is_seen() -> None:
    seen = {"type": "object", "properties": {"unseen": {}}}
    value: Any = 1
    for _ in range(32):
        value = [value]

    assert convert({"unseen": value[0]}, seen) == {}
    with pytest.raises(ArgumentRefusedError, match="deeper than 32"):
        convert({"unseen": value}, seen)


def test_a_value_that_contains_itself_is_refused() -> None:
    knot = []
    knot.append(knot)

    with pytest.raises(ArgumentRefusedError, match="deeper than 32"):
        convert(knot, {})


def test_a_key_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(ArgumentRefusedError, match="not a string"):
        convert({1: 2}, {})


@pytest.mark.parametrize("args", [None, [], "x"])
def test_arguments_that_are_no_object_are_refused(args: Any) -> None:
    with pytest.raises(ArgumentRefusedError, match="not an object"):
        cedar_input(args, input_record({}))


def test_an_undeclared_argument_is_refused_unless_the_schema_is_open() -> None:
    with pytest.raises(ArgumentRefusedError, match=r"`input\.y` is not in the tool's schema"):
        cedar_input({"y": 1}, input_record({}))

    assert cedar_input({"y": 1}, input_record({"additionalProperties": True})) == {}


def test_a_missing_required_argument_is_refused() -> None:
    schema = {"properties": {"x": {"type": "string"}}, "required": ["x"]}

    with pytest.raises(ArgumentRefusedError, match="required and missing"):
        cedar_input({}, input_record(schema))


def test_a_refusal_can_be_stored_whatever_the_key_holds() -> None:
    with pytest.raises(ArgumentRefusedError) as refused:
        cedar_input({"\ud800" * 1000: 1}, input_record({}))

    assert len(str(refused.value).encode()) < 500


def test_cedar_takes_an_entity_in_arguments_for_an_entity() -> None:
    request = {
        "principal": 'P::"a"',
        "action": 'Action::"b"',
        "resource": 'R::"c"',
        "context": {"memo": {"__entity": {"type": "Group", "id": "admins"}}},
    }
    policy = 'permit (principal, action, resource) when { context.memo == Group::"admins" };'

    assert cedarpy.is_authorized(request, policy, []).allowed
