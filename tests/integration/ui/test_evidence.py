"""What a reviewer reads: the stored call as it is, whatever a model put into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seeded_rows import FIGURES, VOLUME
from visiting import text_of

if TYPE_CHECKING:
    from seeding import Seeds
    from visiting import Person

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def test_text_from_a_model_is_never_markup(dana: Person, seeds: Seeds) -> None:
    run_id = seeds.run(HOSTILE)
    held = seeds.held(
        run_id,
        headline=f"Delete {HOSTILE}",
        args={**VOLUME, "reason": HOSTILE, HOSTILE: HOSTILE},
        preview={HOSTILE: HOSTILE},
        reason=HOSTILE,
    )
    for path in (
        "/approvals",
        f"/approvals/{held.approval_id}",
        f"/approvals/{held.approval_id}/edit",
        "/runs",
        f"/runs/{run_id}",
    ):
        page = dana.get(path).text
        assert "&lt;script&gt;alert(1)" in page, path
        assert "<script>alert" not in page, path
        assert "<img" not in page, path


def test_a_reason_from_a_person_is_never_markup_either(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    dana.decide(held.approval_id, "reject", note=HOSTILE)
    for path in (f"/approvals/{held.approval_id}", f"/runs/{held.run_id}"):
        page = dana.get(path).text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


def test_a_look_alike_character_is_boxed_and_named(dana: Person, seeds: Seeds) -> None:
    held = seeds.held(args={**VOLUME, "owner_tag": "fleet-\u0430rchive"})
    page = dana.get(f"/approvals/{held.approval_id}")
    assert 'fleet-<span class="glyph">\u0430</span>rchive' in page.text
    says = "Character 7 is CYRILLIC SMALL LETTER A (U+0430), not a ."
    assert says in text_of(page)
    edit = text_of(dana.get(f"/approvals/{held.approval_id}/edit"))
    assert says in edit


def test_a_character_without_a_shape_is_shown_by_its_code(dana: Person, seeds: Seeds) -> None:
    held = seeds.held(args={**VOLUME, "owner_tag": "fleet\u202egnp.exe\u200b"})
    page = dana.get(f"/approvals/{held.approval_id}").text
    assert '<span class="glyph">U+202E</span>gnp.exe<span class="glyph">U+200B</span>' in page
    assert "\u200b" not in page


def test_the_exact_bytes_and_their_digest_are_there(dana: Person, seeds: Seeds) -> None:
    held = seeds.held()
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert held.digest in page
    assert f"SHA-256 {held.digest[:4]} {held.digest[4:8]} … {held.digest[-4:]}" in page
    assert '{"include_backups":true,"owner_tag":"fleet-archive","reason":"Left over' in page


def test_a_long_value_is_folded_and_whole(dana: Person, seeds: Seeds) -> None:
    reason = "word " * 400
    held = seeds.held(args={**VOLUME, "reason": reason})
    page = dana.get(f"/approvals/{held.approval_id}")
    assert "string, 2,000 characters" in text_of(page)
    assert f"<pre>{reason}</pre>" in page.text


def test_measured_facts_are_figures_and_say_who_measured(dana: Person, seeds: Seeds) -> None:
    held = seeds.held(preview={**FIGURES, "Attached to": ["web-1", "web-2"]})
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "Customer records 1,206" in page
    assert "Measured by Interlock at" in page
    assert "not by the agent" in page
    assert 'Attached to ["web-1","web-2"]' in page


def test_a_preview_that_failed_says_so(dana: Person, seeds: Seeds) -> None:
    held = seeds.held(preview={"error": "The storage API did not answer."})
    page = text_of(dana.get(f"/approvals/{held.approval_id}"))
    assert "It could not be measured." in page
    assert "The storage API did not answer." in page


def test_nothing_is_claimed_that_was_not_measured(dana: Person, seeds: Seeds) -> None:
    held = seeds.held(preview=None)
    page = text_of(dana.get(f"/approvals/{held.approval_id}")).partition("Sign out")[2]
    assert "Measured by Interlock" not in page
    for claim in ("verified", "Verified", "Cost", "Rollback", "Standing approval", "Matrix"):
        assert claim not in page


def test_an_edited_call_shows_what_it_was_before_and_who_changed_it(
    dana: Person, seeds: Seeds
) -> None:
    first = seeds.held()
    smaller = {**VOLUME, "include_backups": False}
    seeds.decide(first, "dana", "edit", args=smaller)
    seeds.close(first, "superseded", by="dana")
    again = seeds.held(first.run_id, args=smaller, revises=first)
    page = dana.get(f"/approvals/{again.approval_id}")
    assert "<del>true</del> <ins>false</ins>" in page.text
    assert "Edited by you" in text_of(page)
    old = dana.get(f"/approvals/{first.approval_id}")
    assert "This call did not run and cannot run." in text_of(old)
    assert f'href="/approvals/{again.approval_id}">Open the edited call' in old.text


def test_the_run_so_far_is_told_in_a_few_lines(dana: Person, seeds: Seeds) -> None:
    run_id = seeds.run(requested_by="reviewer:finance-lead")
    for _ in range(20):
        seeds.read(run_id, region="eu-west-1")
    for number in range(12):
        tool = ("list_volumes", "move_booking")[number % 2]
        seeds.read(run_id, tool=tool, minutes_ago=19)
    held = seeds.held(run_id)
    page = dana.get(f"/approvals/{held.approval_id}")
    story = page.text[page.text.index('id="h-story"') :]
    assert story.count("<li") <= 10
    says = text_of(page)
    assert "Run asked for finance-lead" in says
    assert "list_volumes, 21 calls done" in says
    assert "delete_volume held before it ran" in says
