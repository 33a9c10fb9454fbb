"""LangGraph's own suite for savers, capability by capability."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from integration.saver.held import TENANT, committing, executing
from interlock.engine.errors import Conflict
from interlock.engine.saver import StepSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import (
    ALL_CAPABILITIES,
    Capability,
    DetectedCapabilities,
)
from langgraph.checkpoint.conformance.report import ProgressCallbacks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from integration.saver.held import Executor, Runs
    from interlock.engine.group_commit import GroupCommit
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.base import CheckpointTuple

    Make = Callable[[Runs, GroupCommit, AsyncExitStack], StepSaver]

CAPABILITIES = sorted(ALL_CAPABILITIES)


class AnyRun(StepSaver):
    """Makes a run of each thread that something is stored of, as the suite makes up its threads."""

    def __init__(self, runs: Runs, commit: GroupCommit, _: AsyncExitStack) -> None:
        super().__init__(commit, TENANT)
        self._runs = runs

    async def aput(self, config: RunnableConfig, *given: Any) -> RunnableConfig:
        self._runs.begin_as(UUID(config["configurable"]["thread_id"]), claimed=False)
        return await super().aput(config, *given)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._runs.begin_as(UUID(target_thread_id), claimed=False)
        await super().acopy_thread(source_thread_id, target_thread_id)


class HeldRuns(StepSaver):
    """Gives each thread an executor of its own, which holds it as a run."""

    def __init__(self, runs: Runs, commit: GroupCommit, stack: AsyncExitStack) -> None:
        super().__init__(commit, TENANT)
        self._commit_of_all = commit
        self._runs = runs
        self._stack = stack
        self._executors: dict[str, Executor] = {}

    async def of(self, thread_id: str) -> StepSaver:
        if thread_id not in self._executors:
            run_id = UUID(thread_id)
            self._runs.begin_as(run_id, claimed=True)
            executing_it = executing(self._commit_of_all, self._runs.hold(run_id))
            self._executors[thread_id] = await self._stack.enter_async_context(executing_it)
        return self._executors[thread_id].saver

    async def of_config(self, config: RunnableConfig) -> StepSaver:
        return await self.of(config["configurable"]["thread_id"])

    async def aput(self, config: RunnableConfig, *given: Any) -> RunnableConfig:
        return await (await self.of_config(config)).aput(config, *given)

    async def aput_writes(self, config: RunnableConfig, *given: Any, **named: Any) -> None:
        await (await self.of_config(config)).aput_writes(config, *given, **named)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await (await self.of_config(config)).aget_tuple(config)

    async def alist(  # type: ignore[override]
        self, config: RunnableConfig, **named: Any
    ) -> AsyncIterator[CheckpointTuple]:
        async for found in (await self.of_config(config)).alist(config, **named):
            yield found

    async def adelete_thread(self, thread_id: str) -> None:
        await (await self.of(thread_id)).adelete_thread(thread_id)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self.of(target_thread_id)
        await (await self.of(source_thread_id)).acopy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        for thread_id in thread_ids:
            await (await self.of(thread_id)).aprune([thread_id], strategy=strategy)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Each executor may take away what is its own."""
        for executor in list(self._executors.values()):
            try:
                await executor.saver.adelete_for_runs(run_ids)
            except Conflict:
                continue


async def check(make: Make, runs: Runs, capability: str) -> None:
    async with committing(runs) as commit, AsyncExitStack() as stack:

        @checkpointer_test(name="StepSaver")
        async def ours() -> AsyncIterator[StepSaver]:
            yield make(runs, commit, stack)

        failed: list[str] = []
        progress = ProgressCallbacks(
            on_test_result=lambda _, name, passed, error: (
                None if passed else failed.append(f"{name}\n{error}")
            )
        )
        report = await validate(ours, capabilities={capability}, progress=progress)
    assert not failed, "\n".join(failed)
    assert report.results[capability].tests_passed > 0


def test_a_saver_can_all_that_the_suite_knows_of(shared_runs: Runs) -> None:
    saver = StepSaver(committing(shared_runs), TENANT)
    assert DetectedCapabilities.from_instance(saver).detected == {
        Capability.PUT,
        Capability.PUT_WRITES,
        Capability.GET_TUPLE,
        Capability.LIST,
        Capability.DELETE_THREAD,
        Capability.DELETE_FOR_RUNS,
        Capability.COPY_THREAD,
        Capability.PRUNE,
    }
    assert set(Capability) == ALL_CAPABILITIES


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_a_saver_of_any_run_conforms(capability: str, shared_runs: Runs) -> None:
    await check(AnyRun, shared_runs, capability)


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_a_saver_of_a_held_run_conforms(capability: str, shared_runs: Runs) -> None:
    await check(HeldRuns, shared_runs, capability)
