"""A real Chromium in front of the web app over a real socket."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from chromium import found, launched
from playwright.sync_api import sync_playwright
from seeding import Seeds
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Account
    from interlock.engine.database import Database
    from playwright.sync_api import Browser, Page

# What the browser itself says of an answer that is no 2xx; the tests look at the answers.
_EXPECTED = ("Failed to load resource: the server responded with a status of 4",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder drives a browser; a machine without one says so, and CI has one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if found() is None and "CI" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="There is no Chromium on this machine."))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a file; its event loop must not outlive it. Each test has its own profile."""
    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()


@pytest.fixture
def address(database: Database) -> Iterator[str]:
    """Where the app is served."""
    with serving(database) as at:
        yield at


@pytest.fixture
def seeds(database: Database) -> Seeds:
    """Makes rows in the test's database; the agent fleet-ops is registered."""
    made = Seeds(database)
    made.agent()
    return made


@pytest.fixture
def open_tab(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens tabs in fresh profiles; the test fails if a page complained on its console."""
    complaints: list[str] = []
    contexts = []

    def tab(**options: object) -> Page:
        context = browser.new_context(base_url=address, **options)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type in {"error", "warning"} and not message.text.startswith(_EXPECTED)
                else None
            ),
        )
        return page

    yield tab
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def signed_in(open_tab: Callable[..., Page], reviewer: Account) -> Callable[..., Page]:
    """Opens a tab in which Dana has signed in through the form."""

    def tab(**options: object) -> Page:
        page = open_tab(**options)
        page.goto("/approvals")
        page.get_by_label("Name").fill(reviewer.name)
        page.get_by_label("Password").fill(reviewer.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/approvals")
        return page

    return tab
