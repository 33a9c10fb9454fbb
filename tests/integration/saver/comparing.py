"""One scenario on LangGraph's own saver in memory and on the engine's, of which there are kinds."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from integration.saver.held import TENANT, committing, executing
from integration.saver.stage import Stage
from interlock.engine.saver import StepSaver
from langgraph.checkpoint.memory import InMemorySaver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from integration.saver.held import Runs
    from interlock.engine.group_commit import GroupCommit

    Scenario = Callable[[Stage], Awaitable[list[Any]]]

KINDS = ("at once", "one executor", "an executor for each call")


def name_of(scenario: Scenario) -> str:
    return scenario.__name__


async def both(
    scenario: Scenario, kind: str, runs: Runs, **how: Any
) -> tuple[list[Any], list[Any]]:
    """What is seen on the engine's saver, and in memory."""
    run_id = runs.begin()
    expected = await scenario(Stage.of(run_id, InMemorySaver(), **how))
    async with committing(runs) as commit, AsyncExitStack() as stack:
        match kind:
            case "at once":
                stage = Stage.of(run_id, StepSaver(commit, TENANT), **how)
            case "one executor":
                begun = executing(commit, runs.hold(run_id), is_first=True)
                executor = await stack.enter_async_context(begun)
                stage = Stage.of(run_id, executor.saver, **how)
            case _:
                stage = Stage(run_id, lambda: claimed(runs, run_id, commit), **how)
        return await scenario(stage), expected


@asynccontextmanager
async def claimed(runs: Runs, run_id: UUID, commit: GroupCommit) -> AsyncIterator[StepSaver]:
    """The saver of an executor that knows nothing of those before it."""
    is_first = not runs.steps(run_id)
    hold = runs.hold(run_id) if is_first else runs.take_over(run_id)
    used = runs.used_steps(run_id)
    async with executing(commit, hold, is_first=is_first, used=used) as executor:
        yield executor.saver
