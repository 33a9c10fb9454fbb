"""Whatever LangGraph asks for, runs go as they do with LangGraph's own saver in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from integration.saver.comparing import KINDS, both, name_of
from integration.saver.scenarios import SCENARIOS, in_place

if TYPE_CHECKING:
    from integration.saver.comparing import Scenario
    from integration.saver.held import Runs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
async def test_a_run_goes_as_it_does_in_memory(
    scenario: Scenario, kind: str, shared_runs: Runs
) -> None:
    ours, theirs = await both(scenario, kind, shared_runs)
    assert ours == theirs


@pytest.mark.parametrize("kind", ["at once", "one executor"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
async def test_a_run_that_is_stored_when_it_ends_goes_as_it_does_in_memory(
    scenario: Scenario, kind: str, shared_runs: Runs
) -> None:
    ours, theirs = await both(scenario, kind, shared_runs, durability="exit")
    assert ours == theirs


# what a node changes in place, LangGraph may store before or after, when it does not wait
@pytest.mark.parametrize("kind", ["at once", "one executor"])
@pytest.mark.parametrize("scenario", sorted({*SCENARIOS} - {in_place}, key=name_of), ids=name_of)
async def test_a_run_that_does_not_wait_for_its_steps_goes_as_it_does_in_memory(
    scenario: Scenario, kind: str, shared_runs: Runs
) -> None:
    ours, theirs = await both(scenario, kind, shared_runs, durability="async")
    assert ours == theirs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=name_of)
async def test_a_graph_that_blocks_goes_as_it_does_in_memory(
    scenario: Scenario, kind: str, shared_runs: Runs
) -> None:
    ours, theirs = await both(scenario, kind, shared_runs, in_threads=True)
    assert ours == theirs
