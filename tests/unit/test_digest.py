"""The canonical bytes, the key of a call and the digest that an approval is bound to."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from interlock.engine.digest import call_digest, call_key, canonical, request_digest

RUN = UUID("01890000-0000-7000-8000-000000000001")
KEY = bytes(range(32))
SAFE = 2**53 - 1

texts = st.text(st.characters(exclude_categories=["Cs"]))
# RFC 8785 writes a whole float without a point, so beyond 2**53 it would be read as an integer
floats = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: abs(number) <= SAFE or not number.is_integer()
)
numbers = st.integers(-SAFE, SAFE) | floats
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
arguments = st.dictionaries(texts, values, max_size=5)
tools = st.from_regex(r"\A[A-Za-z0-9_.-]{1,128}\Z")
versions = st.from_regex(r"\A[0-9a-f]{16}\Z")


def digest(**changed: Any) -> bytes:
    bound: dict[str, Any] = {
        "run_id": RUN,
        "key": KEY,
        "tool": "delete_volume",
        "tool_version": "0123456789abcdef",
        "args": b'{"volume_id":"vol-1"}',
    }
    return call_digest(**{**bound, **changed})


@given(st.uuids(), st.binary(min_size=32, max_size=32), tools, versions, arguments)
def test_a_digest_is_sha256_over_the_canonical_object(
    run_id: UUID, key: bytes, tool: str, version: str, args: dict[str, Any]
) -> None:
    whole = {
        "run": str(run_id),
        "key": key.hex(),
        "tool": tool,
        "tool_version": version,
        "args": args,
    }
    made = call_digest(
        run_id=run_id, key=key, tool=tool, tool_version=version, args=canonical(args)
    )
    assert made == hashlib.sha256(rfc8785.dumps(whole)).digest()


def test_a_digest_stays_what_it_was_in_the_first_version() -> None:
    assert digest().hex() == "0591642d7b28b5efe5227cdf29a0e42fd2bec5585dfe8003e63dec2932611e78"


@pytest.mark.parametrize(
    "changed",
    [
        {"run_id": UUID(int=RUN.int + 1)},
        {"key": bytes(32)},
        {"tool": "delete_volumes"},
        {"tool_version": "0123456789abcdee"},
        {"args": b'{"volume_id":"vol-2"}'},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_digest_changes_with_each_thing_that_it_binds(changed: dict[str, Any]) -> None:
    assert digest(**changed) != digest()


@given(arguments, arguments)
def test_two_calls_have_one_digest_only_if_their_arguments_are_one(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = canonical(one) == canonical(other)
    assert (digest(args=canonical(one)) == digest(args=canonical(other))) is same


@given(values)
def test_canonical_bytes_are_json_and_stay_as_they_are(value: Any) -> None:
    data = canonical(value)
    again = json.loads(data)
    assert again == value
    assert canonical(again) == data


@given(arguments)
def test_the_order_of_members_does_not_count(args: dict[str, Any]) -> None:
    assert canonical(dict(reversed(args.items()))) == canonical(args)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), SAFE + 1, -SAFE - 1, "\ud800", {"\udfff": 1}, {"a": {1, 2}}, b"x"],
    ids=repr,
)
def test_a_value_without_an_exact_json_form_has_no_canonical_bytes(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is the library's
        canonical(value)


PLACE: dict[str, Any] = {
    "ns": "tools:1",
    "task_id": "t1",
    "tool_call_id": "c1",
    "tool": "delete_volume",
    "args": b"{}",
    "ordinal": 0,
}


@pytest.mark.parametrize(
    "changed",
    [
        {"ns": "tools:2"},
        {"task_id": "t2"},
        {"tool_call_id": "c2"},
        {"tool_call_id": None},
        {"tool": "read_volume"},
        {"args": b'{"a":1}'},
        {"ordinal": 1},
    ],
    ids=str,
)
def test_a_key_changes_with_each_part_of_the_place(changed: dict[str, Any]) -> None:
    assert call_key(**{**PLACE, **changed}) != call_key(**PLACE)


def test_a_key_is_the_same_when_the_node_runs_again() -> None:
    assert call_key(**PLACE) == call_key(**PLACE)
    assert len(call_key(**PLACE)) == 32


@given(texts, texts)
def test_parts_of_a_place_do_not_run_into_each_other(one: str, other: str) -> None:
    joined = call_key(**{**PLACE, "ns": one + other, "task_id": ""})
    apart = call_key(**{**PLACE, "ns": one, "task_id": other})
    assert (joined == apart) is (other == "")


def test_a_key_is_no_digest_of_anything_else() -> None:
    args = hashlib.sha256(b"{}").hexdigest()
    place = rfc8785.dumps(["tools:1", "t1", "c1", "delete_volume", args, 0])
    assert call_key(**PLACE) != hashlib.sha256(place).digest()


@given(arguments)
def test_a_request_is_the_same_in_any_order(request: dict[str, Any]) -> None:
    assert request_digest(dict(reversed(request.items()))) == request_digest(request)


def test_two_requests_are_told_apart() -> None:
    number, text = {"agent": "a", "input": 1}, {"agent": "a", "input": "1"}
    assert request_digest(number) != request_digest(text)
