"""Templates filled with what every page shows: environment, visitor, how many wait, and now."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from ..engine.queries import count_pending
from ..engine.trips import trips
from . import views_breaker
from .decision_form import REASONS
from .words import short

if TYPE_CHECKING:
    from .access import Visitor, Web

STATIC = files(__package__) / "static"
HTMX = "htmx-2.0.11.min.js"


@cache
def templates() -> Environment:
    """The templates: everything is escaped, and a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    environment.globals["assets"] = {name: f"/static/{name}?v={_version(name)}" for name in
                                     (HTMX, "style.css")}  # fmt: skip
    environment.globals["htmx"] = HTMX
    environment.globals["reasons"] = REASONS
    return environment


def _version(name: str) -> str:
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def fingerprint(text: str) -> str:
    """Short and equal for equal content: what a page that polls has already seen."""
    return sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def now() -> datetime:
    """The time that a page is seen from."""
    return datetime.now(UTC)


def page(
    template: str, site: Web, visitor: Visitor | None, *, status: int = 200, **context: Any
) -> HTMLResponse:
    """A whole page."""
    at = now()
    shown: dict[str, Any] = {"pending": 0, "trips": (), "rendered": f"{at:%H:%M:%S}", **context}
    if visitor is not None:
        with site.database.begin() as conn:
            if "pending" not in context:
                shown["pending"] = count_pending(conn, tenant=site.tenant)
            tripped = trips(conn, tenant=site.tenant, only_open=True)
        shown["trips"] = [views_breaker.line(trip, at) for trip in tripped]
    text = render(template, environment_name=site.settings.environment, visitor=visitor, **shown)
    return HTMLResponse(text, status_code=status)


def render(template: str, **context: Any) -> str:
    """A template as text; `used` collects the icons, for the sprite at the end of a page."""
    return templates().get_template(template).render(used=set(), **context)
