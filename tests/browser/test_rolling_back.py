"""Rolling a run back in a real browser: the plan, one click, and each undo as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from browser.test_every_page import FAULTS, OVERFLOW, SMALL
from depot import depot
from integration.engine.conftest import Lab
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from interlock.engine.database import Database
    from playwright.sync_api import Page

CALLS = [("stow", "a"), ("look", "a"), ("ship", "b"), ("stow", "c-" + "long-" * 30)]


@pytest.fixture
def lab(database: Database, reviewer: object) -> Iterator[Lab]:
    made = Lab(database)
    yield made
    made.rest()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_run_is_rolled_back_with_a_look_at_the_plan_and_a_click(
    width: int, scheme: str, lab: Lab, signed_in: Callable[..., Page]
) -> None:
    undone: list[str] = []
    agent = depot(*CALLS, undo=lambda args, _: undone.append(args["box"]))
    lab.work(agent)
    run = lab.start(agent, {"messages": []})
    lab.until(lambda: lab.run(run)["status"] == "waiting")
    lab.decide(lab.pending(run)[0])
    lab.ended(run)

    page = signed_in(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page.goto(f"/runs/{run}")
    page.get_by_role("link", name="Plan a rollback").click()
    expect(page.get_by_role("heading", name="Cannot be undone 1")).to_be_visible()
    for script in (FAULTS, OVERFLOW, *([SMALL] if width < 500 else [])):
        assert page.evaluate(script) == []
    assert undone == []
    page.get_by_role("button", name="Roll back 2 calls").click()
    # the page asks for itself how far it is
    expect(page.get_by_role("heading", name="The run is rolled back.")).to_be_visible()
    expect(page.get_by_text("2 of 2 calls are undone.")).to_be_visible()
    for script in (FAULTS, OVERFLOW):
        assert page.evaluate(script) == []
    assert [box[0] for box in undone] == ["c", "a"]
