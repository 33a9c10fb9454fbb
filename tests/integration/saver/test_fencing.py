"""Only the executor that holds a run stores steps of it; a result is stored in any case."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from integration.saver.held import LIMIT, SIDES, a_step, committing, executing, put
from integration.saver.loops import GO, loop, put_of, thread
from integration.saver.stage import Stage
from interlock.engine.errors import Fenced
from interlock.engine.group_commit import Fence, Unit
from interlock.engine.outbox import _MOST_BEHIND
from langgraph.checkpoint.serde.types import INTERRUPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from integration.saver.held import Executor, Runs

LOSSES: dict[str, Callable[[Runs, UUID], object]] = {
    "another claimed it": lambda runs, run_id: runs.take_over(run_id),
    "it waits": lambda runs, run_id: runs.park(run_id),
    "it is back in the queue": lambda runs, run_id: runs.requeue(run_id),
}


async def refused(executor: Executor, step: Any) -> None:
    """Every way to store something of a run."""
    saver = executor.saver
    with pytest.raises(Fenced):
        await put(executor, *put_of(step, 1, n=2, text="x" * 100), in_thread=False)
    with pytest.raises(Fenced):  # who does not wait for it is told at the next
        await saver.aput(*put_of(step, 1, n=2, text="x" * 100))
    with pytest.raises(Fenced):
        await saver.aput_writes(step, [(INTERRUPT, "?")], "task")
    with pytest.raises(Fenced):
        await asyncio.to_thread(saver.put, *put_of(step, 1, n=2, text="x" * 100))
    with pytest.raises(Fenced):
        await asyncio.to_thread(saver.put_writes, step, [(INTERRUPT, "?")], "task")


def at_rest(runs: Runs, run_id: UUID) -> list[list[tuple[Any, ...]]]:
    """All that is stored of a run."""
    return [
        runs.steps(run_id, "*"),
        runs.sql("select * from step_writes where run_id = %(id)s order by 1, 2, 3, 4", id=run_id),
        runs.sql("select * from runs where id = %(id)s", id=run_id),
    ]


@pytest.mark.parametrize("loss", LOSSES)
async def test_an_executor_that_lost_its_run_stores_nothing(runs: Runs, loss: str) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id)) as executor:
            step = await put(executor, *put_of(thread(run_id), 0, n=1), in_thread=False)
            await executor.saver.aput_writes(step, [("n", 2)], "done")
            LOSSES[loss](runs, run_id)
            before = at_rest(runs, run_id)
            await refused(executor, step)
            executor.outbox.count_step(LIMIT)
            executor.made.add(b"a call", "look", b"{}")
            await executor.saver.aput_writes(step, [("n", 3)], "riding")
        # nor has it, in the end, what rode
        assert at_rest(runs, run_id) == before


async def test_a_run_that_is_taken_over_in_a_node_goes_no_further_for_whom_it_was_taken_from(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    rounds = []

    def each(n: int) -> None:
        rounds.append(n)
        if n == 4:
            runs.take_over(run_id)

    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        with pytest.raises(Fenced):
            await Stage.of(run_id, executor.saver).invoke(loop(200, each), GO)
    # a step that was taken before the refusal came is not stored, and there are no more of them
    # than the outbox lets pass
    assert 4 <= len(rounds) <= 5 + _MOST_BEHIND
    stored = [int(step) for (step,) in runs.steps(run_id, "metadata ->> 'step'")]
    assert stored == list(range(-1, len(stored) - 1))
    assert len(stored) <= 5


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "perhaps lost"])
async def test_the_next_step_waits_for_this_one_where_the_run_may_be_lost(
    runs: Runs, *, is_held: bool
) -> None:
    run_id = runs.begin()
    hold = runs.hold(run_id)
    async with committing(runs) as commit, executing(commit, hold, is_held=lambda: is_held) as it:
        async with runs.locked(run_id):
            put = asyncio.create_task(it.saver.aput(*put_of(thread(run_id), 0, n=1)))
            await asyncio.wait([put], timeout=0.3)
            assert put.done() == is_held
        await put


@SIDES
async def test_a_result_that_rides_with_a_refused_step_is_stored(
    runs: Runs, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    result = runs.start_call(run_id)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        executor.outbox.ride(linger=60, free=[result], fenced=[a_step(run_id, "rides, too")])
        runs.take_over(run_id)
        with pytest.raises(Fenced):
            await put(executor, *put_of(thread(run_id), 0, n=1), in_thread=in_thread)
        assert runs.state_of(result) == "succeeded"
    assert runs.steps(run_id) == []


async def test_steps_and_calls_only_grow_and_an_older_unit_that_comes_later_is_no_error(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    hold = runs.hold(run_id)
    used = "select used_steps, used_calls from runs where id = %(id)s"
    async with committing(runs) as commit:
        for steps, calls in ((3, 2), (2, 5), (1, 1)):
            fence = Fence(hold.tenant, run_id, hold.epoch, steps, calls)
            answer = await commit.write(Unit(fence, (a_step(run_id, f"step {steps}"),)))
            assert (answer.held, answer.fenced) == (True, ["written"])
    assert runs.sql(used, id=run_id) == [(3, 5)]
    assert len(runs.steps(run_id)) == 3


async def test_a_step_forward_and_nothing_else_forgets_the_workers_that_died(runs: Runs) -> None:
    run_id = runs.begin()
    hold = runs.hold(run_id)
    runs.sql("update runs set deaths = 2")
    deaths = []
    async with committing(runs) as commit:
        for steps, calls in ((0, 0), (0, 1), (1, 1)):
            await commit.write(Unit(Fence(hold.tenant, run_id, hold.epoch, steps, calls)))
            deaths += runs.sql("select deaths from runs")
    assert deaths == [(2,), (2,), (0,)]


async def test_a_unit_of_another_tenant_or_run_writes_nothing(runs: Runs) -> None:
    run_id, other = runs.begin(), runs.begin("queued")
    async with committing(runs) as commit:
        for tenant, run in (("another", run_id), ("default", other)):
            answer = await commit.write(Unit(Fence(tenant, run, 1, 0, 0), (a_step(run_id),)))
            assert not answer.held
            assert not answer.fenced
    assert runs.steps(run_id) == []
