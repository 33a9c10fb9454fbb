"""What holds for every page: it fits, it is labelled, and the browser does not complain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sample_day import PASSWORD, seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock.engine.database import Database
    from playwright.sync_api import Page
    from seeding import Seeds

FAULTS = """() => {
  const faults = [];
  const name = (element) => element.outerHTML.slice(0, 120);
  if (document.querySelectorAll('h1').length !== 1) faults.push('not exactly one h1');
  let last = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) faults.push('skips a level: ' + name(heading));
    last = level;
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!field.labels.length && !field.ariaLabel) faults.push('no label: ' + name(field));
  }
  for (const control of document.querySelectorAll('a, button, summary')) {
    if (!control.textContent.trim() && !control.ariaLabel) faults.push('no name: ' + name(control));
  }
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push('twice: #' + id);
  for (const use of document.querySelectorAll('use')) {
    const id = use.getAttribute('href').slice(1);
    if (!document.getElementById(id)) faults.push('no symbol: ' + id);
  }
  for (const label of document.querySelectorAll('[aria-labelledby]')) {
    if (!document.getElementById(label.getAttribute('aria-labelledby'))) {
      faults.push('labelled by nothing: ' + name(label));
    }
  }
  for (const svg of document.querySelectorAll('svg')) {
    if (!svg.ariaHidden && svg.getAttribute('role') !== 'img') faults.push('svg: ' + name(svg));
  }
  if (!document.querySelector('main#main')) faults.push('no main');
  if (document.documentElement.lang !== 'en') faults.push('no language');
  if (document.querySelector('[style], style, script:not([src])')) faults.push('inline code');
  return faults;
}"""
OVERFLOW = """() => [...document.querySelectorAll('body *')]
  .filter((element) => !element.closest('.sr, .sprite, details:not([open]) > :not(summary)'))
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 100))
  .concat(document.documentElement.scrollWidth > innerWidth ? ['the page scrolls sideways'] : [])
"""
SMALL = """() => [...document.querySelectorAll('button, select, .btn, input:not([type=hidden])')]
  .filter((element) => element.getClientRects().length && !element.closest('.choice'))
  .filter((element) => element.getBoundingClientRect().height < 40)
  .map((element) => element.outerHTML.slice(0, 100))
"""


Scheme = Literal["dark", "light"]
LOOKS: tuple[tuple[int, Scheme], ...] = (
    (1280, "light"),
    (900, "dark"),
    (390, "dark"),
    (320, "light"),
)


def faults_of(page: Page) -> list[str]:
    """What is wrong with a page, on screens of every size."""
    found = list(page.evaluate(FAULTS))
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        faults = page.evaluate(OVERFLOW) + (page.evaluate(SMALL) if width < 500 else [])
        found += [f"{width} wide: {fault}" for fault in faults]
    return found


def test_every_page_fits_and_is_labelled(open_tab: Callable[..., Page], database: Database) -> None:
    pages = seed(database)
    page = open_tab()
    page.goto("/sign-in")
    problems = {"sign-in": faults_of(page)}
    page.get_by_label("Name").fill("dana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    for name, path in {**pages, "error": "/nowhere"}.items():
        page.goto(path)
        problems[name] = faults_of(page)
    assert {name: found for name, found in problems.items() if found} == {}


def test_a_page_on_which_breakers_are_tripped_fits(
    signed_in: Callable[..., Page], seeds: Seeds
) -> None:
    seeds.trip("fleet-ops", minutes=45)
    seeds.trip(None)
    run_id = seeds.queued()
    page = signed_in()
    for path in ("/runs", f"/runs/{run_id}"):
        page.goto(path)
        assert faults_of(page) == []


def test_the_decision_bar_stays_at_the_bottom_of_a_phone(
    open_tab: Callable[..., Page], database: Database
) -> None:
    pages = seed(database)
    page = open_tab(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto("/sign-in")
    page.get_by_label("Name").fill("dana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto(pages["approval"])
    for button in ("Reject", "Approve call"):
        box = page.get_by_role("button", name=button).bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 844
