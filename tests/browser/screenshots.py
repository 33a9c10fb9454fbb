"""Every page as a picture: `.venv/bin/python tests/browser/screenshots.py OUTDIR [--all]`.

By default the set that the docs show: each page in light at 1280 and 390 px, and one approval in
dark. With `--all`, every page also in dark.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
from chromium import launched
from interlock.engine.database import Database
from interlock.engine.embedded import EmbeddedPostgres
from interlock.engine.schema import migrate
from playwright.sync_api import sync_playwright
from sample_day import PASSWORD, seed
from serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WIDTHS = (1280, 390)


def shoot(browser: Browser, address: str, pages: dict[str, str], out: Path, *, every: bool) -> None:
    """One PNG a page and width, the whole page."""
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": 900 if width > 500 else 844},
                color_scheme=scheme,
                base_url=address,
            )
            tab = context.new_page()
            for name, path in pages.items():
                if scheme == "dark" and not every and name != "approval":
                    continue
                if name != "sign-in" and not context.cookies():
                    tab.goto("/sign-in")
                    tab.get_by_label("Name").fill("dana")
                    tab.get_by_label("Password").fill(PASSWORD)
                    tab.get_by_role("button", name="Sign in").click()
                tab.goto(path)
                suffix = "-dark" if scheme == "dark" else ""
                is_long = not name.startswith("audit") and (width > 500 or name != "approval")
                tab.screenshot(path=out / f"{name}-{width}{suffix}.png", full_page=is_long)
            context.close()


def main() -> None:
    """Seed a database of its own, serve it, and take the pictures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "pg") as server:
        database = Database(server.url)
        migrate(database)
        pages = seed(database)
        with serving(database) as address, sync_playwright() as playwright:
            browser = launched(playwright)
            shoot(browser, address, pages, out, every="--all" in sys.argv)
            browser.close()
        database.close()


if __name__ == "__main__":
    main()
