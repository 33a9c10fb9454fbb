"""The web app: pages for people and a JSON API, over one database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from . import (
    api_approvals,
    api_breakers,
    api_grants,
    api_runs,
    api_usage,
    health,
    pages_approvals,
    pages_audit,
    pages_breakers,
    pages_calibration,
    pages_cost,
    pages_edit,
    pages_grants,
    pages_rollback,
    pages_runs,
    pages_session,
    refusals,
)
from .access import Web
from .rendering import STATIC
from .security import Guard, Headers

if TYPE_CHECKING:
    from ..engine.database import Database
    from ..engine.settings import Settings


def create_app(database: Database, settings: Settings) -> FastAPI:
    """The app over an open database; any number of processes may serve it."""
    app = FastAPI(
        title="Interlock",
        description="Runs, approvals and the audit log. A GET never decides anything.",
        version="1",
        openapi_url="/api/openapi.json",
        # the ready-made documentation pages need inline script
        docs_url=None,
        redoc_url=None,
    )
    app.state.web = Web(database, settings)
    app.mount("/static", StaticFiles(directory=str(STATIC)), name="static")
    for module in (
        pages_session,
        pages_approvals,
        pages_edit,
        pages_grants,
        pages_rollback,
        pages_runs,
        pages_audit,
        pages_breakers,
        pages_calibration,
        pages_cost,
        api_runs,
        api_approvals,
        api_breakers,
        api_grants,
        api_usage,
        health,
    ):
        app.include_router(module.router)
    refusals.install(app)
    # the last one added is the outermost
    app.add_middleware(Guard, refuse=refusals.refuse)
    app.add_middleware(refusals.LastResort)
    app.add_middleware(Headers)
    return app
