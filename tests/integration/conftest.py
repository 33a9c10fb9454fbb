"""What tests of the web app and of the read side share: made-up rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from seeding import Seeds

if TYPE_CHECKING:
    from interlock.engine.database import Database


@pytest.fixture
def seeds(database: Database) -> Seeds:
    """Makes rows in the test's database; the agent fleet-ops is registered."""
    made = Seeds(database)
    made.agent()
    return made
