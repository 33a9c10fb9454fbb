"""Values as what changed in them: every version reads back, and no two contents look alike."""

from __future__ import annotations

import uuid
from collections import namedtuple
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from interlock.engine import channel_values
from interlock.engine.channel_values import (
    Entry,
    Head,
    decode,
    encode,
    entries_of,
    head,
    is_small,
    joined,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Send
from pydantic import BaseModel

CHANNEL = "values"


@dataclass
class Point:
    """A dataclass."""

    x: Any


@dataclass
class Spot:
    """Another of the same shape."""

    x: Any


class Named(BaseModel):
    """A model."""

    x: Any


Pair = namedtuple("Pair", "x y")  # noqa: PYI024 - the serialiser knows it by its methods
Colour = Enum("Colour", {"RED": 1, "BLUE": "red"})
Size = IntEnum("Size", {"ONE": 1})
Word = StrEnum("Word", {"RED": "red"})

SERDE = JsonPlusSerializer(
    allowed_msgpack_modules=[Point, Spot, Named, Pair, Colour, Size, Word, Send]
)


# What can be in a list ----------------------------------------------------------------------------

texts = st.text(max_size=4)
keys = texts | st.integers(-2, 2) | st.booleans() | st.none() | st.floats(allow_nan=False)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([2**62, 2**63, 2**64 - 1, -(2**63), 1.0, 0.0, -0.0, 2.5, 1e300])
    | texts
    | st.binary(max_size=3)
    | st.sampled_from(
        [
            *(Colour.RED, Colour.BLUE, Size.ONE, Word.RED, "red"),
            *(datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), timedelta(1), Decimal(1)),
            *("2026-01-01", "2026-01-01T00:00:00+00:00", "1"),
            *(uuid.UUID(int=1), str(uuid.UUID(int=1)), bytearray(b"x"), b"x"),
        ]
    )
)
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.builds(Point, inner)
        | st.builds(Spot, inner)
        | st.builds(Named, x=inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Send, texts, inner)
    ),
    max_leaves=6,
)
names = st.sampled_from(["", "a", "b"])
calls = st.lists(
    st.fixed_dictionaries(
        {"name": names, "args": st.dictionaries(names, leaves, max_size=2), "id": names}
    ),
    max_size=2,
)
contents = texts | st.just([{"type": "text", "text": "a"}])
extras = st.dictionaries(names, leaves, max_size=2)
messages = (
    st.builds(AIMessage, contents, id=names, tool_calls=calls, additional_kwargs=extras)
    | st.builds(HumanMessage, contents, id=st.none() | names, response_metadata=extras)
    | st.builds(SystemMessage, contents, id=names, name=names)
    | st.builds(ToolMessage, contents, tool_call_id=names, artifact=plain, id=names)
    | st.builds(HumanMessage, contents, id=names, more=st.integers(0, 1))
)
elements = plain | messages


def stored(value: Any) -> Any:
    """Exactly what a value is to whoever reads it back; None where it cannot be stored at all."""
    try:
        return SERDE.dumps_typed(value)
    except Exception:  # noqa: BLE001 - whatever the library says
        return None


def read_back(value: Any) -> Any:
    """Exactly what becomes of a value that is stored whole."""
    return stored(SERDE.loads_typed(stored(value)))


storable = elements.filter(lambda element: stored([element]) is not None)


# Sequences of versions ----------------------------------------------------------------------------


class Versions:
    """One channel in the rows of a run."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Entry]] = {}
        self.head: Head | None = None
        self.at: list[tuple[str, Any]] = []

    def put(self, value: Any) -> Entry | None:
        """Store the next version."""
        step = f"{len(self.at):04}"
        self.head, entry = encode(SERDE, step, value, self.head)
        self.rows[step] = {} if entry is None else {CHANNEL: entry}
        self.at.append((self.head.at, read_back(value)))
        return entry

    def forget(self) -> None:
        """Go on as another executor does: from what it has read."""
        if self.head is not None:
            entries = self.chain()
            value = decode(SERDE, entries)
            self.head = head(SERDE, self.head.at, self.head.base, value, entries)

    def check(self) -> None:
        """Every version, and nothing else."""
        for at, expected in self.at:
            entries = entries_of(self.rows, CHANNEL, at)
            assert stored(decode(SERDE, entries)) == expected
            assert stored(decode(SERDE, [joined(entries)])) == expected

    def chain(self) -> list[Entry]:
        """What the last version is made of."""
        assert self.head
        return entries_of(self.rows, CHANNEL, self.head.at)


def _append(value: list[Any], data: st.DataObject) -> None:
    value.extend(data.draw(st.lists(storable, min_size=1, max_size=3)))


def _insert(value: list[Any], data: st.DataObject) -> None:
    value.insert(data.draw(st.integers(0, len(value))), data.draw(storable))


def _replace(value: list[Any], data: st.DataObject) -> None:
    if value:
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(storable)


def _delete(value: list[Any], data: st.DataObject) -> None:
    if value:
        del value[data.draw(st.integers(0, len(value) - 1))]


def _truncate(value: list[Any], data: st.DataObject) -> None:
    del value[data.draw(st.integers(0, len(value))) :]


def _in_place(value: list[Any], data: st.DataObject) -> None:
    """Change an element without another one taking its place."""
    for element in value:
        match element:
            case HumanMessage() | AIMessage():
                element.content = data.draw(texts)
            case dict():
                element["changed"] = data.draw(leaves)
            case list():
                element.append(data.draw(leaves))
            case Point() | Named():
                element.x = data.draw(leaves)


EDITS = (_append, _append, _insert, _replace, _delete, _truncate, _in_place)


@given(st.data())
def test_every_version_of_a_list_reads_back_however_it_was_edited(data: st.DataObject) -> None:
    versions = Versions()
    value: Any = list(range(data.draw(st.sampled_from([0, 0, 13]))))
    for _ in range(data.draw(st.integers(1, 12))):
        edit = data.draw(st.sampled_from([*EDITS, "another value", "another executor", "again"]))
        if edit == "another executor":
            versions.forget()
            continue
        if edit == "another value" or not isinstance(value, list):
            value = data.draw(st.lists(storable, max_size=4) | storable.filter(is_not_small))
        elif callable(edit):
            edit(value, data)
        if stored(value) is None:  # what was changed in place cannot be stored
            value = []
        versions.put(deepcopy(value) if data.draw(st.booleans()) else value)
    versions.check()


def is_not_small(value: Any) -> bool:
    return not is_small(value)


@given(st.data(), st.integers(1, 3), st.integers(0, 2), st.integers(0, 40))
def test_every_version_reads_back_where_chains_are_short(
    data: st.DataObject, longest: int, growth: int, floor: int
) -> None:
    versions, value = Versions(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel_values, "_LONGEST_CHAIN", longest)
        patch.setattr(channel_values, "_GROWTH", growth)
        patch.setattr(channel_values, "_FLOOR", floor)
        for _ in range(data.draw(st.integers(1, 10))):
            data.draw(st.sampled_from(EDITS))(value, data)
            if stored(value) is None:
                value = []
            versions.put(value)
            whole, *differences = versions.chain()
            assert len(differences) <= longest
            assert sum(len(each.data) for each in differences) <= growth * len(whole.data) + floor
    versions.check()


# What is stored ----------------------------------------------------------------------------------


def test_a_difference_holds_what_comes_after_the_common_beginning() -> None:
    versions = Versions()
    assert versions.put(["a", "b", "c"]) == Entry(*SERDE.dumps_typed(["a", "b", "c"]))
    assert versions.put(["a", "b", "c", "d"]) == Entry(*SERDE.dumps_typed(["d"]), "0000", 3)
    assert versions.put(["a", "x", "c", "d"]) == Entry(
        *SERDE.dumps_typed(["x", "c", "d"]), "0001", 1
    )
    assert versions.put(["a", "x"]) == Entry(*SERDE.dumps_typed([]), "0002", 2)
    assert versions.put(["y", "x"]) == Entry(*SERDE.dumps_typed(["y", "x"]))
    versions.check()


@pytest.mark.parametrize(
    "value", [["a", {"b": 1}], {"a": [1]}, "x" * 100, b"x", [], Point(1)], ids=repr
)
def test_a_value_that_is_what_it_was_stores_nothing(value: Any) -> None:
    versions = Versions()
    assert versions.put(value) is not None
    assert versions.put(deepcopy(value)) is None
    versions.forget()
    assert versions.put(deepcopy(value)) is None
    versions.check()


@pytest.mark.parametrize("bound", ["_LONGEST_CHAIN", "_GROWTH"])
def test_a_list_that_is_what_it_was_stores_nothing_at_the_end_of_its_chain(
    bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = Versions()
    versions.put(["a"])
    versions.put(["a", "b"])
    monkeypatch.setattr(channel_values, "_FLOOR", 0)
    monkeypatch.setattr(channel_values, bound, 1)
    assert versions.put(["a", "b"]) is None


def test_a_list_of_many_elements_that_grows_takes_little_room() -> None:
    versions = Versions()
    value = [f"element {n}" for n in range(1000)]
    whole = versions.put(value)
    assert whole
    for n in range(100):
        value.append(f"another {n}")
        entry = versions.put(value)
        assert entry
        assert len(entry.data) < 20
    versions.check()


@pytest.mark.parametrize("edge", [2**4, 2**16])
def test_a_list_that_grows_past_where_msgpack_counts_otherwise_is_stored_by_difference(
    edge: int,
) -> None:
    versions = Versions()
    value = list(range(edge - 2))
    versions.put(value)
    for count in range(edge - 1, edge + 2):
        value.append(count)
        entry = versions.put(value)
        assert entry
        assert entry.keep == count - 1
    for count in range(edge, edge - 3, -1):
        del value[count:]
        entry = versions.put(value)
        assert entry
        assert entry.keep == count
    versions.check()


def test_chains_end_at_a_bound() -> None:
    versions = Versions()
    value: list[int] = []
    for n in range(channel_values._LONGEST_CHAIN + 10):
        value.append(n)
        versions.put(value)
    wholes = [step for step, row in versions.rows.items() if row[CHANNEL].on is None]
    assert wholes == ["0000", f"{channel_values._LONGEST_CHAIN + 1:04}"]


def test_differences_end_where_they_outgrow_what_they_rest_on() -> None:
    versions = Versions()
    room = channel_values._FLOOR
    last = room // 10
    value = ["first", "x" * last]
    for n in range(1, 30):
        value[1] = f"{n:02}" * (last // 2)
        versions.put(value)
        whole, *differences = versions.chain()
        tail = sum(len(entry.data) for entry in differences)
        assert tail <= channel_values._GROWTH * len(whole.data) + room
    assert 2 <= sum(row[CHANNEL].on is None for row in versions.rows.values()) <= 4


def test_a_value_whose_row_is_missing_is_an_error() -> None:
    versions = Versions()
    for count in range(1, 4):
        versions.put(list(range(count)))
    for step in list(versions.rows):
        rows = {name: row for name, row in versions.rows.items() if name != step}
        with pytest.raises(KeyError, match=step):
            entries_of(rows, CHANNEL, "0002")


def test_two_readings_share_nothing_that_can_be_changed() -> None:
    versions = Versions()
    versions.put([["a"]])
    versions.put([["a"], ["b"]])
    last, first = (entries_of(versions.rows, CHANNEL, at) for at in ("0001", "0000"))
    decode(SERDE, last)[0].append("changed")
    assert decode(SERDE, last) == [["a"], ["b"]]
    assert decode(SERDE, first) == [["a"]]


@pytest.mark.parametrize(
    ("value", "small"),
    [
        *((None, True), (True, True), (1, True), (1.5, True), ("x" * 64, True), ("x" * 65, False)),
        *(([], False), ({}, False), ((), False), (b"", False)),
        *((Size.ONE, False), (Word.RED, False), (2**70, True)),
    ],
    ids=repr,
)
def test_a_small_value_is_one_that_is_cheaper_to_repeat(value: Any, small: bool) -> None:  # noqa: FBT001
    assert is_small(value) is small


# Marks -------------------------------------------------------------------------------------------


# few leaves, so that what is drawn twice is often nearly the same
alike = st.recursive(
    st.sampled_from(
        [True, 1, 1.0, "1", b"1", Size.ONE, Word.RED, "red", 0, 0.0, -0.0, False, None]
    ),
    lambda inner: (
        st.lists(inner, max_size=1)
        | st.lists(inner, max_size=1).map(tuple)
        | st.dictionaries(st.sampled_from(["x", 1, True, 1.0, Word.RED]), inner, max_size=1)
        | st.builds(Point, inner)
        | st.builds(Spot, inner)
        | st.builds(Named, x=inner)
        | st.builds(lambda x: AIMessage("", additional_kwargs={"x": x}), inner)
        | st.builds(lambda x: HumanMessage("", additional_kwargs={"x": x}), inner)
        | st.builds(lambda x: ToolMessage("", tool_call_id="1", artifact=x), inner)
    ),
    max_leaves=1,
).filter(lambda element: stored([element]) is not None)


@settings(max_examples=500)
@given(alike, alike)
def test_elements_that_are_nearly_the_same_are_told_apart(one: Any, other: Any) -> None:
    tell_apart(one, other)


@given(storable, storable)
@example(True, 1)  # noqa: FBT003
@example(1, 1.0)
@example(0.0, -0.0)
@example([1], (1,))
@example({"a": [1]}, {"a": (1,)})
@example({1: "a"}, {"1": "a"})
@example({True: "a"}, {1: "a"})
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example(Point(1), Spot(1))
@example(Point(1), {"x": 1})
@example(Named(x=1), {"x": 1})
@example(Colour.RED, 1)
@example(Size.ONE, 1)
@example(Word.RED, "red")
@example([Word.RED], ["red"])
@example({"a": Word.RED}, {"a": "red"})
@example({Word.RED: 1}, {"red": 1})
@example(Pair(1, 2), (1, 2))
@example([Pair(1, 2)], [(1, 2)])
@example(uuid.UUID(int=1), str(uuid.UUID(int=1)))
@example(datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00")
@example(date(2026, 1, 1), "2026-01-01")
@example({"a": date(2026, 1, 1)}, {"a": "2026-01-01"})
@example(HumanMessage("a", id="1"), HumanMessage("a", id="1", more=1))
@example(HumanMessage("a"), {"a": 1})
@example("a" * 40, "a" * 39)
@example(["a", "b"], ["a", ["b"]])
@example(b"x", "x")
@example(None, "null")
@example(AIMessage("a"), HumanMessage("a"))
@example(AIMessage("a", id="1"), AIMessage("a", id="2"))
@example(HumanMessage("a"), HumanMessage("a", more=1))
@example(HumanMessage("a", more=1), HumanMessage("a", more=2))
@example(AIMessage("a", additional_kwargs={"a": True}), AIMessage("a", additional_kwargs={"a": 1}))
@example(
    AIMessage("a", additional_kwargs={"a": [1]}), AIMessage("a", additional_kwargs={"a": (1,)})
)
@example(
    AIMessage("a", additional_kwargs={"a": Point(1)}),
    AIMessage("a", additional_kwargs={"a": Spot(1)}),
)
@example(AIMessage("a"), AIMessage("a").__dict__)
@example(ToolMessage("a", tool_call_id="1", status="error"), ToolMessage("a", tool_call_id="1"))
def test_elements_that_are_stored_differently_are_told_apart(one: Any, other: Any) -> None:
    tell_apart(one, other)


def tell_apart(one: Any, other: Any) -> None:
    """Each of two versions is what it was, wherever in the list they differ."""
    for before, after in ([], []), ([], ["after"]), (["before", None], []), ([one], [other]):
        versions = Versions()
        versions.put([*before, one, *after])
        versions.put([*before, other, *after])
        versions.put([*before, other, one, *after])
        versions.forget()
        versions.put([*before, one, *after])
        versions.check()


def test_an_element_that_cannot_be_serialised_is_an_error() -> None:
    with pytest.raises(Exception, match="serializable"):
        encode(SERDE, "0000", [object()], None)
