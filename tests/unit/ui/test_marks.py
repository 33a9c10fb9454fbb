"""Characters that are not what they seem are found; honest ones are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.approvals_ui.marks import oddities, pieces

HONEST = [
    "vol-prod-7",
    "Müller, naïve café, Straße, Łódź",
    "Москва",
    "東京 and Paris",
    "price: €412.00, “fine” … 100 %",
    "two\nlines\tand a tab",
    "θ = 30°",
    "emoji 🚗",
    "",
]
DISGUISED = [
    ("fleet-\u0430rchive", ["U+0430"], ["a"]),
    ("\u0441\u043e\u0441\u043e-cola", ["U+0441", "U+043E", "U+0441", "U+043E"], list("coco")),
    ("\uff46ull", ["U+FF46"], ["f"]),
    ("\U0001d41aa", ["U+1D41A"], ["a"]),
    ("bo\u03c5", ["U+03C5"], ["u"]),
    ("a\u0431c", ["U+0431"], [None]),
]
HIDDEN = ["\u200b", "\u202e", "\u2066", "\u00ad", "\ufeff", "\u00a0", "\u3164", "\ufe0f", "\x00",
          "\x1b", "\r", "\u2028", "\ue000", "\U000e0041"]  # fmt: skip


@pytest.mark.parametrize("text", HONEST)
def test_honest_text_is_left_alone(text: str) -> None:
    assert oddities(text) == ()
    assert "".join(piece.text for piece in pieces(text)) == text


@pytest.mark.parametrize(("text", "codes", "instead_of"), DISGUISED)
def test_letters_of_another_script_are_named(
    text: str, codes: list[str], instead_of: list[str | None]
) -> None:
    found = oddities(text)
    assert [odd.code for odd in found] == codes
    assert [odd.instead_of for odd in found] == instead_of
    assert [text[odd.place - 1] for odd in found] == [odd.character for odd in found]


@pytest.mark.parametrize("character", HIDDEN)
def test_a_character_that_cannot_be_seen_is_shown_by_its_code(character: str) -> None:
    code = f"U+{ord(character):04X}"
    assert [odd.code for odd in oddities(f"a{character}b")] == [code]
    assert [(p.kind, p.text) for p in pieces(f"a{character}b")] == [
        ("plain", "a"),
        ("glyph", code),
        ("plain", "b"),
    ]


def test_identifiers_stay_in_one_piece() -> None:
    found = pieces("Delete vol-prod-7 and its 14 backups for RB-20418")
    assert [piece.text for piece in found if piece.kind == "id"] == ["vol-prod-7", "RB-20418"]


@given(st.text())
def test_every_text_is_shown_in_full_and_in_order(text: str) -> None:
    odd = {oddity.place for oddity in oddities(text)}
    plain = "".join(piece.text for piece in pieces(text) if piece.kind != "glyph")
    assert plain == "".join(c for place, c in enumerate(text, 1) if place not in odd)


@given(st.text())
def test_nothing_invisible_reaches_a_page_unmarked(text: str) -> None:
    shown = "".join(piece.text for piece in pieces(text))
    assert not set(shown) & {"\u200b", "\u202e", "\u202d", "\u2066", "\x00", "\x7f"}
