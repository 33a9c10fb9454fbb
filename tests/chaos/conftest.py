"""Counts and the seed of the chaos that is part of the suite; both can be given."""

from __future__ import annotations

import os
import random

import pytest

ROUNDS = int(os.environ.get("INTERLOCK_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("INTERLOCK_CHAOS_SEED", str(random.randrange(10**6))))  # noqa: S311


@pytest.fixture
def rounds() -> int:
    """What every count is a multiple of."""
    return ROUNDS


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    """The test's seed; printed, so that it can be given again."""
    print(f"INTERLOCK_CHAOS_SEED={SEED} INTERLOCK_CHAOS_ROUNDS={ROUNDS}")  # noqa: T201
    return f"{SEED} {request.node.name}"
