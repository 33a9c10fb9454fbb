"""A person decides, in a real browser, with and without JavaScript."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from interlock.engine.queries import get_approval
from playwright.sync_api import expect
from seeded_rows import FIGURES, VOLUME

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from playwright.sync_api import Page
    from seeding import Seeded, Seeds

HEADLINE = "Delete volume vol-prod-7 and its 14 backups"


def state_of(database: Database, held: Seeded) -> str:
    """The approval's state."""
    with database.begin() as conn:
        found = get_approval(conn, tenant="default", approval_id=held.approval_id)
    return found.approval.state


@pytest.mark.parametrize("javascript", [True, False])
def test_a_call_is_found_in_the_queue_and_approved_by_typing(
    signed_in: Callable[..., Page],
    seeds: Seeds,
    database: Database,
    javascript: bool,  # noqa: FBT001
) -> None:
    held = seeds.held(preview=FIGURES)
    page = signed_in(java_script_enabled=javascript)
    page.get_by_role("link", name=HEADLINE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADLINE)
    expect(page.get_by_text("1,206")).to_be_visible()
    approve = page.get_by_role("button", name="Approve call")
    approve.click()
    expect(page.get_by_role("heading", name="Your decision")).to_be_visible()
    assert state_of(database, held) == "pending"
    page.get_by_label("To approve, type vol-prod-7").fill("vol-prod-7")
    approve.click()
    expect(page.get_by_text("You approved this at")).to_be_visible()
    assert state_of(database, held) == "approved"


@pytest.mark.parametrize("javascript", [True, False])
def test_a_call_is_rejected_without_typing(
    signed_in: Callable[..., Page],
    seeds: Seeds,
    database: Database,
    javascript: bool,  # noqa: FBT001
) -> None:
    held = seeds.held()
    page = signed_in(java_script_enabled=javascript)
    page.goto(f"/approvals/{held.approval_id}")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("Choose a reason or write a note")).to_be_visible()
    assert state_of(database, held) == "pending"
    page.get_by_label("Not what was asked").check()
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("You rejected this at")).to_be_visible()
    expect(page.get_by_text("The call did not run.")).to_be_visible()
    assert state_of(database, held) == "rejected"


@pytest.mark.parametrize("javascript", [True, False])
def test_an_argument_is_edited_and_the_edited_call_asks_again(
    signed_in: Callable[..., Page],
    seeds: Seeds,
    database: Database,
    javascript: bool,  # noqa: FBT001
) -> None:
    held = seeds.held()
    page = signed_in(java_script_enabled=javascript)
    page.goto(f"/approvals/{held.approval_id}")
    page.get_by_text("Edit arguments").click()
    page.get_by_role("link", name="Edit 5 arguments").click()
    page.get_by_label("include_backups").select_option("false")
    page.get_by_role("button", name="Propose the edited call").click()
    expect(page.get_by_text("This call did not run and cannot run.")).to_be_visible()
    assert state_of(database, held) == "superseded"
    again = seeds.held(held.run_id, args={**VOLUME, "include_backups": False}, revises=held)
    if not javascript:
        page.get_by_role("link", name="look again").click()
    page.get_by_role("link", name="Open the edited call").first.click()
    page.wait_for_url(f"**/approvals/{again.approval_id}")
    expect(page.get_by_text("Edited by you")).to_be_visible()
    expect(page.locator("tr.edited")).to_contain_text("true")
    expect(page.get_by_role("button", name="Approve edited")).to_be_visible()


def test_the_dangerous_button_is_filled_only_once_the_typing_is_exact(
    signed_in: Callable[..., Page], seeds: Seeds
) -> None:
    held = seeds.held()
    page = signed_in()
    page.goto(f"/approvals/{held.approval_id}")

    def fill() -> str:
        return str(
            page.get_by_role("button", name="Approve call").evaluate(
                "button => getComputedStyle(button).backgroundColor"
            )
        )

    outlined = fill()
    page.get_by_label("To approve").fill("vol-prod-")
    assert fill() == outlined
    page.get_by_label("To approve").fill("vol-prod-7")
    assert fill() == "rgb(166, 31, 23)"


def test_what_arrives_is_shown_without_loading_the_page_again(
    signed_in: Callable[..., Page], seeds: Seeds
) -> None:
    page = signed_in()
    expect(page.get_by_text("Nothing is waiting for you")).to_be_visible()
    page.evaluate("window.sameDocument = true")
    seeds.held()
    expect(page.get_by_role("link", name=HEADLINE)).to_be_visible()
    expect(page.locator("#pending-count")).to_have_text("1 waiting")
    assert page.evaluate("window.sameDocument") is True


def test_an_update_of_the_queue_keeps_the_keyboard_s_place(
    signed_in: Callable[..., Page], seeds: Seeds
) -> None:
    held = seeds.held()
    page = signed_in()
    page.locator(f"#a-{held.approval_id}").focus()
    seeds.held(headline="Another call")
    expect(page.get_by_role("link", name="Another call")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == f"a-{held.approval_id}"


def test_a_reader_is_told_at_once_that_somebody_else_decided(
    signed_in: Callable[..., Page], seeds: Seeds
) -> None:
    held = seeds.held()
    page = signed_in()
    page.goto(f"/approvals/{held.approval_id}")
    page.get_by_label("Note").fill("I was about to say")
    seeds.decide(held, "dana", "reject", reason="no")
    seeds.close(held, "rejected", by="dana", reason="no")
    expect(page.get_by_text("You rejected this at")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("I was about to say")


def test_a_late_click_is_answered_where_the_person_looks(
    signed_in: Callable[..., Page], seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    page = signed_in()
    page.route("**/live?*", lambda route: route.abort())
    page.goto(f"/approvals/{held.approval_id}")
    seeds.close(held, "cancelled", reason="The run ended: cancelled.")
    page.get_by_label("To approve").fill("vol-prod-7")
    page.get_by_role("button", name="Approve call").click()
    banner = page.get_by_text("Your approval was not recorded, and the call did not run.")
    expect(banner).to_be_visible()
    focused = page.evaluate("document.activeElement.textContent")
    assert "Your approval was not recorded" in focused
    assert state_of(database, held) == "cancelled"


def test_a_call_in_doubt_is_settled(signed_in: Callable[..., Page], seeds: Seeds) -> None:
    held = seeds.held()
    page = signed_in()
    seeds.decide(held, "dana", "approve")
    seeds.close(held, "approved", by="dana")
    seeds.start(held)
    seeds.in_doubt(held)
    page.get_by_role("link", name="may already have run").click()
    page.get_by_label("Evidence").fill("The console shows the volume gone.")
    page.get_by_role("button", name="It happened").click()
    expect(page.get_by_text("It was not run again.")).to_be_visible()


def test_an_ended_session_leads_to_the_sign_in_page_and_back(
    signed_in: Callable[..., Page], seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    page = signed_in()
    page.goto(f"/approvals/{held.approval_id}")
    with database.begin() as conn:
        conn.exec_driver_sql("delete from sessions")
    expect(page.get_by_text("Your session ended, so this page no longer updates.")).to_be_visible()
    page.get_by_label("Not now").check()
    page.get_by_role("button", name="Reject").click()
    page.wait_for_url(re.compile("/sign-in"))
    expect(page.get_by_text("What you sent was not recorded.")).to_be_visible()
    page.get_by_label("Name").fill("dana")
    page.get_by_label("Password").fill("a password for dana")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"**/approvals/{held.approval_id}")
    assert state_of(database, held) == "pending"


def test_a_run_is_cancelled_from_its_page(
    signed_in: Callable[..., Page], seeds: Seeds, database: Database
) -> None:
    held = seeds.held()
    page = signed_in()
    page.goto(f"/runs/{held.run_id}")
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_text("dana cancelled the run")).to_be_visible()
    assert state_of(database, held) == "cancelled"


def test_an_open_run_s_page_follows_the_run(signed_in: Callable[..., Page], seeds: Seeds) -> None:
    run_id = seeds.run()
    page = signed_in()
    page.goto(f"/runs/{run_id}")
    page.evaluate("window.sameDocument = true")
    seeds.held(run_id)
    expect(page.get_by_role("link", name="Review the held call")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True
