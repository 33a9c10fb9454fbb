"""Each fault for a few rounds, and the checker has nothing to say; `make chaos` runs many more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from harness.campaigns import CAMPAIGNS, US, Ground
from harness.field import AGENT
from interlock.engine.embedded import EmbeddedPostgres
from support.nursery import Nursery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.campaigns import Campaign

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "INTERLOCK_CHAOS_ROUNDS" not in os.environ,
        reason="minutes of faults: set INTERLOCK_CHAOS_ROUNDS, or run `make chaos`",
    ),
]
NAMES = {campaign.name: campaign for campaign in CAMPAIGNS}


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server that may be killed."""
    root, nursery = tmp_path_factory.mktemp("chaos"), Nursery(AGENT)
    with EmbeddedPostgres(root / "postgres") as server:
        yield Ground(server, nursery, root)
    nursery.end()


@pytest.mark.parametrize("name", NAMES)
def test_under_each_fault_nothing_is_violated_here_and_calls_are_repeated_elsewhere(
    name: str, ground: Ground, seed: str, rounds: int
) -> None:
    campaign: Campaign = NAMES[name]
    result = campaign.work(ground, seed, next(campaign.pieces(rounds)))
    if result.left_out:
        pytest.skip(result.left_out)
    assert result.done
    if result.engine == US:
        assert result.violations == [], "\n\n".join(result.stories)
    elif "around the effect" in name:
        assert result.duplicates > 0
