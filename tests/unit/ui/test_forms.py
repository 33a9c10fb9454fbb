"""Arguments become fields and come back as the same arguments, unless somebody changed them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.approvals_ui.access import local_path
from interlock.approvals_ui.arguments import rows, shown, type_of
from interlock.approvals_ui.confirmation import pattern
from interlock.approvals_ui.edit_form import PREFIX, Field, fields, filled
from interlock.engine.digest import canonical

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)
SCHEMA: dict[str, Any] = {
    "properties": {
        "name": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "sure": {"type": "boolean"},
        "where": {"enum": ["here", "there", 3]},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "free": {},
    },
    "required": ["name", "count"],
}


def as_browsers_send(field: Field) -> str:
    """A text box gives every line end as CR LF; a single line cannot hold one."""
    lines = re.split("\r\n|\r|\n", field.text)
    return ("\r\n" if field.control in {"block", "json"} else "").join(lines)


@given(st.fixed_dictionaries({"name": JSON, "count": JSON}, optional={"free": JSON, "extra": JSON}))
def test_a_form_that_nobody_touched_gives_the_same_arguments(args: dict[str, Any]) -> None:
    sent = {PREFIX + f.name: as_browsers_send(f) for f in fields(args, SCHEMA)}
    result = filled(sent, args, SCHEMA)
    assert result.problems == {}
    assert result.args == args
    assert canonical(result.args) == canonical(args)


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("name", "", ""),
        ("name", "a\r\nb", "a\nb"),
        ("count", "13", 13),
        ("share", "1.5", 1.5),
        ("sure", "true", True),
        ("where", '"there"', "there"),
        ("where", "3", 3),
        ("maybe", "null", None),
        ("maybe", '"x"', "x"),
        ("free", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_a_field_is_read_by_its_type(name: str, sent: str, expected: object) -> None:
    result = filled({PREFIX + name: sent}, {"name": "n", "count": 1}, SCHEMA)
    assert result.problems == {}
    assert result.args[name] == expected
    assert type(result.args[name]) is type(expected)


def test_an_optional_argument_can_be_left_out_and_a_needed_one_cannot() -> None:
    args = {"name": "n", "count": 1, "share": 0.5}
    result = filled({PREFIX + "share": "", PREFIX + "count": ""}, args, SCHEMA)
    assert result.args == {"name": "n"}
    assert result.problems == {"count": "count needs a value."}


@pytest.mark.parametrize("sent", ["Infinity", "-Infinity", "NaN", "1,5", "x", "[", "'a'"])
def test_what_is_no_json_is_a_problem_with_a_sentence(sent: str) -> None:
    result = filled({PREFIX + "count": sent}, {"name": "n", "count": 1}, SCHEMA)
    assert result.problems == {"count": "count is not a number."}


def test_an_argument_that_was_left_out_or_added_by_an_edit_is_shown() -> None:
    found = {row.name.pieces[0].text: row for row in rows({"b": 2}, {"a": 1})}
    assert found["a"].type == "left out"
    assert found["a"].before is not None
    assert found["b"].before is not None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (7, "integer"),
        (7.5, "number"),
        ("x", "string"),
        ("x" * 1842, "string, 1,842 characters"),
        ([1], "list, 1 item"),
        ({"a": 1, "b": 2}, "object, 2 fields"),
    ],
)
def test_types_are_named_in_words(value: object, name: str) -> None:
    assert type_of(value) == name


def test_a_long_text_is_folded_behind_its_beginning_and_kept_whole() -> None:
    text = "word " * 100
    value = shown(text)
    assert "".join(piece.text for piece in value.pieces) == text
    assert len("".join(piece.text for piece in value.beginning)) < 100


@given(st.text(min_size=1))
def test_only_the_very_text_fits_the_confirmation_s_pattern(text: str) -> None:
    assert re.fullmatch(pattern(text), text)
    assert not re.fullmatch(pattern(text), text + "x")


@given(st.text())
def test_no_target_leads_away(target: str) -> None:
    path = local_path("/" + target)
    assert path.startswith("/")
    assert path[1:2] not in {"/", "\\"}
