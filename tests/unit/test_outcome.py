"""A result comes back as it first came out, whatever a tool returns."""

from __future__ import annotations

import json
import math
import uuid
from collections import Counter, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.outcome import Succeeded, read_outcome, success
from interlock.engine.strict import require_strict
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, Send
from pydantic import BaseModel

texts = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.datetimes()
)
odd = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=8,
)


class Volume(BaseModel):
    """A pydantic model of a user's."""

    name: str


@dataclass
class Backup:
    """A dataclass of a user's."""

    size: int


class Size(StrEnum):
    """An enum of a user's."""

    SMALL = "small"


class Mute:
    """A thing that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def endless() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


def deep() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


def stays(value: Any) -> Succeeded:
    """Store a value, and check that a replay gives what the first time gave."""
    stored = success(value)
    first, replayed = stored.value, read_outcome(stored.type, bytes(stored.data))
    assert type(replayed) is type(first)
    assert repr(replayed) == repr(first)
    return stored


@given(plain)
def test_json_comes_back_as_the_very_value(value: Any) -> None:
    stored = stays(value)
    assert stored.type == "json"
    assert repr(stored.value) == repr(value)


@given(odd)
def test_anything_comes_back_as_it_first_came_out(value: Any) -> None:
    stays(value)


@pytest.mark.parametrize(
    "value",
    [
        AIMessage("done", id="1", tool_calls=[{"name": "t", "args": {"a": 1}, "id": "c"}]),
        [HumanMessage("go", id="1"), ToolMessage("gone", tool_call_id="c", id="2")],
        Command(goto="next", update={"messages": [AIMessage("done", id="1")]}),
        Send("next", {"volume": 1}),
        uuid.UUID(int=7),
        datetime(2026, 11, 20, 12, tzinfo=UTC),
        Decimal("12.10"),
        {1: "a", "1": "b"},
        {"a", "b"},
        deque([1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_graphs_work_with_comes_back_as_the_very_value(value: Any) -> None:
    stored = stays(value)
    assert stored.type == "msgpack"
    assert stored.value == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 2), "(1, 2)"),
        (Volume(name="vol-1"), "name='vol-1'"),
        (Backup(3), "Backup(size=3)"),
        (Size.SMALL, "small"),
        (b"\x00ab", "b'\\x00ab'"),
        ("\ud800", "\\ud800"),
        ({"\ud800": 1}, "{'\\ud800': 1}"),
        (ValueError("gone"), "gone"),
        (10**30 * 1j, "1e+30j"),
        (len, "<built-in function len>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_come_back_is_its_text_from_the_first_time_on(value: Any, text: str) -> None:
    stored = stays(value)
    assert (stored.type, stored.value) == ("text", text)


def test_a_tuple_inside_is_a_list_from_the_first_time_on() -> None:
    assert stays({"pair": (1, 2), "odd": {1: 2}}).value == {"pair": [1, 2], "odd": {1: 2}}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan]], ids=repr)
def test_numbers_that_json_does_not_know_come_back_all_the_same(value: Any) -> None:
    assert repr(stays(value).value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        [object()],
        (object() for _ in ()),
        Volume,
        PurePosixPath("/volume"),
        Mute(),
        [Mute()],
        10**5000,
        (10**5000,),
        endless(),
        deep(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_result_is_an_error(value: Any) -> None:
    """The call happened: whatever it returned, that has to be written down."""
    stays(value)


def test_results_are_never_pickled() -> None:
    for value in (object(), Volume(name="vol-1"), [Backup(1)], {1: Mute}, len):
        assert success(value).type in ("json", "msgpack", "text")


def test_strict_mode_is_on_where_outcomes_are_read() -> None:
    require_strict()


FORGED = {
    "one argument": ormsgpack.Ext(0, ormsgpack.packb(("collections", "Counter", "aab"))),
    "arguments": ormsgpack.Ext(1, ormsgpack.packb(("collections", "Counter", ["aab"]))),
    "named arguments": ormsgpack.Ext(2, ormsgpack.packb(("collections", "Counter", {"a": 2}))),
    "a pydantic model": ormsgpack.Ext(
        5, ormsgpack.packb((__name__, "Volume", {"name": "x"}, "model_validate_json"))
    ),
}


@pytest.mark.parametrize("form", FORGED)
def test_a_stored_result_cannot_build_a_class_of_its_choice(form: str) -> None:
    """The same bytes build it where LangGraph is not strict."""
    data = ormsgpack.packb(FORGED[form])
    permissive = JsonPlusSerializer(allowed_msgpack_modules=True)
    assert isinstance(permissive.loads_typed(("msgpack", data)), Counter | Volume)
    assert not isinstance(read_outcome("msgpack", data), Counter | Volume)


@pytest.mark.parametrize("kind", ["pickle", "bytes", "null", "", "JSON"])
def test_a_result_of_an_unknown_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"A result of kind '{kind}' cannot be read"):
        read_outcome(kind, b"{}")


def test_json_is_stored_as_text_that_a_person_can_read() -> None:
    stored = success({"city": "Málaga", "volumes": [1, 2.5, None, True]})
    assert json.loads(stored.data) == stored.value
    assert "Málaga" in stored.data.decode()
