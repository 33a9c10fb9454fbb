"""The canonical bytes of the fast way are those of the library, and so are its refusals."""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from interlock.engine.digest import canonical

Number = IntEnum("Number", {"ONE": 1})
Word = StrEnum("Word", {"ONE": "one"})

ascii_texts = st.text(st.characters(max_codepoint=127), max_size=6)
texts = ascii_texts | st.text(max_size=6)
EDGES = [2**53 - 1, 2**53, 2**53 + 1, 2**63, 10**30]
numbers = (
    st.integers()
    | st.sampled_from([sign * edge for edge in EDGES for sign in (1, -1)])
    | st.floats()
)
leaves = (
    st.none() | st.booleans() | numbers | texts | st.sampled_from([Number.ONE, Word.ONE, b"", ()])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts, inner, max_size=4)
        | st.dictionaries(ascii_texts, inner, max_size=4)
        | st.dictionaries(
            texts | st.integers(0, 3) | st.none() | st.just(Word.ONE), inner, max_size=2
        )
        | st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=12,
)


def outcome(function: Any, value: Any) -> Any:
    """The bytes, or the error as its reader meets it."""
    try:
        return function(value)
    except Exception as error:  # noqa: BLE001 - that it is the same is the point
        return type(error), str(error)


@given(values)
@example({"\ue000": 1, "\U00010000": 2, "a": 3})
@example({"€": 1, "\r": 2, "דּ": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7})
@example([56, 1e30, 4.50, 2e-3, 1e-27, -0.0, 0.0, 333333333.33333329])
@example({"a": {"b": [2**53]}})
@example([True, 1, 1.0])
@example({"a": "\ud800"})
@example("\ud800")
@example({"\udfff": 1})
@example(float("nan"))
@example([float("inf")])
@example({1: 2})
@example({1: 2, "1": 2})
@example({None: 1})
@example({"a": {1, 2}})
@example(b"x")
@example(object)
@example((1, ("a",)))
def test_bytes_and_refusals_are_those_of_rfc_8785(value: Any) -> None:
    assert outcome(canonical, value) == outcome(rfc8785.dumps, value)


@pytest.mark.parametrize("code", range(0x80))
def test_each_ascii_character_is_written_as_rfc_8785_writes_it(code: int) -> None:
    for value in (chr(code), {chr(code): chr(code)}, [f"a{chr(code)}b"]):
        assert canonical(value) == rfc8785.dumps(value)
        assert json.loads(canonical(value)) == value


@pytest.mark.parametrize("edge", [2**53, -(2**53)])
def test_integers_are_written_up_to_where_they_are_exact(edge: int) -> None:
    inside = edge - (1 if edge > 0 else -1)
    assert canonical([inside]) == f"[{inside}]".encode()
    with pytest.raises(rfc8785.IntegerDomainError):
        canonical([edge])


def test_a_value_of_many_levels_is_treated_as_rfc_8785_treats_it() -> None:
    value: Any = "bottom"
    for _ in range(100):
        value = {"down": [value]}
    assert canonical(value) == rfc8785.dumps(value)
