"""The web app over the test's database, and people who are signed in to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from interlock.approvals_ui.app import create_app
from interlock.engine import accounts
from interlock.engine.settings import Settings
from starlette.testclient import TestClient
from visiting import CHEAP, PASSWORD, Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI
    from interlock.engine.database import Database


@pytest.fixture
def app(database: Database) -> FastAPI:
    """The web app over the test's database."""
    return create_app(database, Settings())


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    """A browser in which nobody is signed in."""
    return TestClient(app)


@pytest.fixture
def person(app: FastAPI, database: Database) -> Callable[..., Person]:
    """Makes an account and signs it in."""

    def make(name: str, *groups: str) -> Person:
        accounts.add_reviewer(
            database,
            tenant="default",
            name=name,
            password=PASSWORD,
            groups=groups,
            by="operator:tests",
            hasher=CHEAP,
        )
        client = TestClient(app)
        answer = client.post(
            "/sign-in", data={"name": name, "password": PASSWORD}, follow_redirects=False
        )
        assert answer.status_code == 303
        return Person(client, name)

    return make


@pytest.fixture
def dana(person: Callable[..., Person]) -> Person:
    """Dana, on call, signed in."""
    return person("dana", "on-call")
