"""Real worker processes on a database of the test's own, and the world that they act on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from support.crew import Crew
from support.desk import Desk
from support.nursery import Nursery
from support.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.engine.database import Database


@pytest.fixture
def world(tmp_path: Path) -> World:
    """What counts the effects."""
    return World(tmp_path / "world")


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """What worker processes are forked from."""
    made = Nursery()
    yield made
    made.end()


@pytest.fixture
def crew(nursery: Nursery, database_url: str, world: World, tmp_path: Path) -> Iterator[Crew]:
    """Starts workers, and ends them with the test."""
    made = Crew(nursery, database_url, world, tmp_path)
    yield made
    made.end()


@pytest.fixture
def desk(database: Database, reviewer: object) -> Desk:
    """Asks for runs and decides."""
    return Desk(database, "dana")
