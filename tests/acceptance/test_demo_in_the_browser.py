"""The demo's story as a reviewer lives it: in Chromium, with everything behind it real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chromium import launched
from playwright.sync_api import expect, sync_playwright
from test_demo import DELETION, LETTER, demo

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_reviewer_edits_approves_and_rejects(tmp_path: Path) -> None:
    with demo(tmp_path) as running, sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page(base_url=str(running.api.base_url))
        page.set_default_timeout(20_000)
        page.goto("/")
        page.get_by_label("Name").fill("dana")
        page.get_by_label("Password").fill((running.world / "password").read_text().strip())
        page.get_by_role("button", name="Sign in").click()

        page.get_by_role("link", name=DELETION).click()
        page.get_by_text("Edit arguments").click()
        page.get_by_role("link", name="Edit 2 arguments").click()
        page.get_by_label("include_backups").select_option("false")
        page.get_by_role("button", name="Propose the edited call").click()

        heading = page.get_by_role("heading", level=1)
        expect(heading).to_have_text("Delete volume vol-prod-7 and keep its 14 backups")
        assert running.production.is_dir()
        page.get_by_label("To approve, type vol-prod-7").fill("vol-prod-7")
        page.get_by_role("button", name="Approve edited").click()
        expect(page.get_by_text("You approved this at")).to_be_visible()

        page.get_by_role("link", name="See the inbox").click()
        page.get_by_role("link", name=LETTER).click()
        assert not running.production.exists()
        assert running.backups() == 14
        page.get_by_label("Note").fill("I call them myself.")
        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_text("You rejected this at")).to_be_visible()

        page.goto("/runs")
        page.get_by_role("link", name="Staging cannot sign in").click()
        expect(page.get_by_text("Completed").first).to_be_visible()
        expect(page.get_by_text("I call them myself.").first).to_be_visible()
        assert running.letters() == []
        browser.close()
