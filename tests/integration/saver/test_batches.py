"""Units of many runs share a statement, and none pays for another."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from integration.saver.held import LIMIT, a_step, committing, executing
from integration.saver.loops import put_of, thread
from interlock.engine import outbox
from interlock.engine.errors import Fenced
from interlock.engine.group_commit import Answer, Fence, Unit
from interlock.engine.lane import Lane

if TYPE_CHECKING:
    from uuid import UUID

    from integration.saver.held import Runs
    from interlock.engine.group_commit import GroupCommit, Write

COUNT = 12
FEW = 8
"""What one of two free lanes takes of them, so that few are not torn apart."""
SOON = 0.15


def unit_of(runs: Runs, run_id: UUID, *fenced: Write, steps: int = 0, free: Any = ()) -> Unit:
    hold = runs.hold(run_id)
    return Unit(Fence(hold.tenant, run_id, hold.epoch, steps, 0), fenced, tuple(free))


async def write_all(commit: GroupCommit, units: list[Unit]) -> list[Answer | BaseException]:
    """Commit them side by side."""
    return await asyncio.gather(*map(commit.write, units), return_exceptions=True)


async def test_units_that_come_together_share_a_transaction_in_each_lane(runs: Runs) -> None:
    units = [unit_of(runs, run_id, a_step(run_id)) for run_id in many(runs)]
    async with committing(runs) as commit:
        answers = await write_all(commit, units)
    assert answers == [Answer(held=True, fenced=["written"], free=[])] * COUNT
    shared = runs.sql("select count(*) from steps group by xmin::text order by 1")
    assert shared == [(COUNT - FEW,), (FEW,)]


async def test_a_unit_whose_run_is_lost_is_told_so_and_the_others_of_its_batch_are_written(
    runs: Runs,
) -> None:
    ids = many(runs)
    result = runs.start_call(ids[5])
    units = [unit_of(runs, run_id, a_step(run_id)) for run_id in ids]
    units[5] = unit_of(runs, ids[5], a_step(ids[5]), free=[result])
    runs.take_over(ids[5])
    async with committing(runs) as commit:
        answers = await write_all(commit, units)
    refused: Any = answers.pop(5)
    assert (refused.held, list(refused.fenced), refused.free) == (False, [], ["written"])
    assert answers == [Answer(held=True, fenced=["written"], free=[])] * (COUNT - 1)
    assert runs.steps(ids[5]) == []
    assert runs.state_of(result) == "succeeded"
    # it was in the batch: no statement had to be made for it
    assert runs.sql("select count(distinct xmin::text) from steps") == [(2,)]


@pytest.mark.parametrize(
    ("changed", "steps", "error"),
    [
        ({"id": ""}, 0, psycopg.errors.CheckViolation),
        ({"metadata": "no JSON"}, 0, psycopg.errors.InvalidTextRepresentation),
        ({"state": None}, 0, psycopg.errors.NotNullViolation),
        ({"ns": "\0"}, 0, psycopg.DataError),
        ({}, LIMIT + 1, psycopg.errors.CheckViolation),
    ],
    ids=["a constraint", "a value", "nothing", "a text", "the limit of steps"],
)
async def test_a_unit_that_cannot_be_written_fails_alone(
    runs: Runs, changed: dict[str, Any], steps: int, error: type[Exception]
) -> None:
    ids = many(runs)
    units = [unit_of(runs, run_id, a_step(run_id)) for run_id in ids]
    bad = a_step(ids[7], **changed)
    units[7] = unit_of(runs, ids[7], a_step(ids[7]), bad, steps=steps)
    async with committing(runs) as commit:
        answers = await write_all(commit, units)
    assert isinstance(answers.pop(7), error)
    assert answers == [Answer(held=True, fenced=["written"], free=[])] * (COUNT - 1)
    assert [len(runs.steps(run_id)) for run_id in ids] == [*[1] * 7, 0, *[1] * 4]
    assert runs.used_steps(ids[7]) == 0


async def test_a_unit_that_is_not_wanted_any_more_is_not_sent_and_the_others_of_its_batch_are(
    runs: Runs,
) -> None:
    ids = many(runs)
    units = [unit_of(runs, run_id, a_step(run_id)) for run_id in ids]
    units[5] = replace(units[5], is_wanted=lambda: False)
    async with committing(runs) as commit:
        answers = await write_all(commit, units)
    assert isinstance(answers.pop(5), Fenced)
    assert answers == [Answer(held=True, fenced=["written"], free=[])] * (COUNT - 1)
    assert runs.steps(ids[5]) == []


async def test_whoever_stops_waiting_does_not_take_the_unit_back(runs: Runs) -> None:
    (run_id,) = many(runs, 1)
    async with committing(runs) as commit, AsyncExitStack() as stack:
        await stack.enter_async_context(runs.locked(run_id))
        write = asyncio.create_task(commit.write(unit_of(runs, run_id, a_step(run_id))))
        await asyncio.sleep(SOON)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        await stack.aclose()
    assert len(runs.steps(run_id)) == 1


async def test_units_of_one_run_go_one_after_the_other_in_their_order(runs: Runs) -> None:
    ours, first, second, third = many(runs, 4)
    one = unit_of(runs, ours, a_step(ours, "same", parent="one"))
    two = unit_of(runs, ours, a_step(ours, "same", parent="two"))
    async with committing(runs) as commit, AsyncExitStack() as stack:

        async def held_up(run_id: UUID) -> AsyncExitStack:
            """Have a statement wait that writes to this run."""
            lock = await stack.enter_async_context(AsyncExitStack())
            await lock.enter_async_context(runs.locked(run_id))
            waiting.append(write(unit_of(runs, run_id, a_step(run_id))))
            return lock

        def write(unit: Unit) -> asyncio.Task[Answer]:
            return asyncio.create_task(commit.write(unit))

        waiting: list[asyncio.Task[Answer]] = []
        free_a_lane = await held_up(first)
        await asyncio.sleep(SOON)
        free_the_other = await held_up(second)
        await asyncio.sleep(SOON)
        # one goes with a unit that waits, so that two finds a free lane before one is written
        let_one_go = await held_up(third)
        waiting.append(write(one))
        await asyncio.sleep(SOON)
        await free_a_lane.aclose()
        await asyncio.sleep(SOON)
        waiting.append(write(two))
        await free_the_other.aclose()
        await asyncio.sleep(SOON)
        assert runs.steps(ours) == []
        await let_one_go.aclose()
        await asyncio.gather(*waiting)
    assert runs.steps(ours, "parent_id") == [("two",)]


async def test_one_run_in_many_units_does_not_keep_the_others_waiting(runs: Runs) -> None:
    busy, other = many(runs, 2)
    async with committing(runs) as commit, AsyncExitStack() as stack:
        await stack.enter_async_context(runs.locked(busy))
        waiting = [
            asyncio.create_task(commit.write(unit_of(runs, busy, a_step(busy)))) for _ in range(100)
        ]
        await asyncio.sleep(SOON)
        async with asyncio.timeout(10):
            await commit.write(unit_of(runs, other, a_step(other)))
        await stack.aclose()
        await asyncio.gather(*waiting)
    assert (len(runs.steps(busy)), len(runs.steps(other))) == (100, 1)


def many(runs: Runs, count: int = COUNT) -> list[UUID]:
    return [runs.begin() for _ in range(count)]


async def test_a_step_is_not_waited_for_and_what_follows_it_is_written_after_it(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        async with runs.locked(run_id):
            step = thread(run_id)
            for at in range(3):
                step = await executor.saver.aput(*put_of(step, at, n=at))
            start = asyncio.create_task(executor.outbox.commit([a_step(run_id, "start")]))
            await asyncio.sleep(SOON)
            assert not start.done()
            assert runs.steps(run_id) == []
        assert await start == ["written"]
        assert len(runs.steps(run_id)) == 4


async def test_no_more_steps_are_taken_ahead_of_what_is_written_than_so_many(runs: Runs) -> None:
    run_id = runs.begin()
    taken: list[int] = []

    async def take() -> None:
        step = thread(run_id)
        for at in range(3 * outbox._MOST_BEHIND):
            step = await executor.saver.aput(*put_of(step, at, n=at))
            taken.append(at)

    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        async with runs.locked(run_id):
            walk = asyncio.create_task(take())
            await asyncio.sleep(SOON)
            assert len(taken) <= 2 * outbox._MOST_BEHIND
        await walk
    assert len(runs.steps(run_id)) == 3 * outbox._MOST_BEHIND


async def test_what_a_thread_commits_has_with_it_the_steps_that_are_under_way(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runs.begin()
    go, really = asyncio.Event(), Lane.ask

    async def held_up(self: Lane, text: bytes, values: Any) -> Any:
        await go.wait()
        return await really(self, text, values)

    monkeypatch.setattr(Lane, "ask", held_up)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await executor.saver.aput(*put_of(thread(run_id), 0, n=1))
        await asyncio.sleep(SOON)
        said = await asyncio.to_thread(executor.outbox.commit_now, [a_step(run_id, "start")])
        assert said == ["written"]
        assert len(runs.steps(run_id)) == 2
        go.set()
    assert len(runs.steps(run_id)) == 2
