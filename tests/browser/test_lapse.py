"""An approval that does not stand any more, and the one that asks again, in a real browser."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from interlock.engine.queries import get_approval
from playwright.sync_api import expect
from sample_day import CHANGES
from seeded_rows import FIGURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from playwright.sync_api import Page
    from seeding import Seeds

WHY = " ".join(str(change["says"]) for change in CHANGES)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("javascript", [True, False])
def test_a_lapse_is_told_and_the_new_approval_shows_before_and_after(
    signed_in: Callable[..., Page],
    seeds: Seeds,
    database: Database,
    width: int,
    javascript: bool,  # noqa: FBT001
) -> None:
    held = seeds.held(preview=FIGURES)
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    page = signed_in(java_script_enabled=javascript, viewport={"width": width, "height": 844})
    page.goto(f"/approvals/{held.approval_id}")
    expect(page.get_by_text("The call has not run yet.")).to_be_visible()
    seeds.lapse(held, WHY)
    if not javascript:
        page.reload()
    expect(page.get_by_text("The approval lapsed at").first).to_be_visible()
    expect(page.get_by_text("Its target is not as it was when it was proposed.")).to_be_visible()
    again = seeds.held(held.run_id, preview=FIGURES, revises=held, changes=CHANGES)
    if not javascript:
        page.get_by_role("link", name="look again").click()
    page.get_by_role("link", name="Open the new approval").first.click()
    page.wait_for_url(f"**/approvals/{again.approval_id}")

    changed = page.get_by_role("region", name="What changed since it was approved")
    expect(changed).to_be_visible()
    expect(page.get_by_text("Asked again")).to_be_visible()
    attached = changed.get_by_role("row").filter(has_text="attached_to")
    expect(attached.locator("del")).to_have_text("null")
    expect(attached.locator("ins")).to_have_text("billing-api")
    for change in CHANGES[1:]:
        row = changed.get_by_role("row").filter(has_text=str(change["now"]))
        expect(row.locator("del")).to_have_text(str(change["before"]))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(changed.get_by_role("link", name="The approval before")).to_have_attribute(
        "href", f"/approvals/{held.approval_id}"
    )

    page.get_by_label("To approve, type vol-prod-7").fill("vol-prod-7")
    page.get_by_role("button", name="Approve call").click()
    expect(page.get_by_text("You approved this at")).to_be_visible()
    with database.begin() as conn:
        states = [
            get_approval(conn, tenant="default", approval_id=each.approval_id).approval.state
            for each in (held, again)
        ]
    assert states == ["lapsed", "approved"]


def test_a_reviewer_is_told_until_when_a_call_in_doubt_may_still_be_sent(
    signed_in: Callable[..., Page], seeds: Seeds, database: Database
) -> None:
    held = seeds.held(send_within=timedelta(minutes=5))
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    doubt = seeds.in_doubt(held)
    page = signed_in(viewport={"width": 390, "height": 844})
    page.goto(f"/approvals/{doubt.approval_id}")
    expect(page.get_by_text("It may still be sent until")).to_be_visible()
    page.get_by_label("Evidence").fill("Nothing in the console.")
    page.get_by_role("button", name="It did not happen").click()
    expect(page.get_by_text("nobody can know yet that it did not happen")).to_be_visible()
    page.get_by_label("Result").fill('{"deleted": "vol-prod-7"}')
    page.get_by_role("button", name="It happened").click()
    expect(page.get_by_text("It was not run again.")).to_be_visible()
    with database.begin() as conn:
        call = get_approval(conn, tenant="default", approval_id=doubt.approval_id).call
    assert call is not None
    assert (call.state, call.result) == ("succeeded", {"deleted": "vol-prod-7"})
