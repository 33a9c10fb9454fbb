"""What a task wrote waits for its step; an interrupt, an error or time puts it into its own row."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import ormsgpack
import pytest
from integration.saver.held import PATIENCE, TENANT, committing, executing, until
from integration.saver.loops import GO, Looped, loop, put_of, thread
from integration.saver.stage import Stage
from interlock.engine import saver
from interlock.engine.saver import StepSaver
from langchain_core.messages import AIMessage
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.saver.held import Runs
    from langgraph.checkpoint.base import CheckpointTuple


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task wrote waits for its step however slow the machine is."""
    monkeypatch.setattr(saver, "_LINGER", 60.0)


def pair(other: Callable[[Any], Any]) -> StateGraph[Any]:
    """A node that is done at once, beside another one."""
    graph = StateGraph(Looped)
    graph.add_node("quick", lambda _: {"messages": [AIMessage("quick", id="quick")]})
    graph.add_node("other", other)
    graph.add_edge(START, "quick")
    graph.add_edge(START, "other")
    return graph


def ridden(runs: Runs, run_id: Any) -> list[list[str]]:
    """For each step, the channels that the tasks before it wrote, as its row holds them."""
    rows = (row for (row,) in runs.steps(run_id, "writes"))
    return [[write[3] for write in ormsgpack.unpackb(row)] if row else [] for row in rows]


async def stored(runs: Runs, run_id: Any) -> list[CheckpointTuple]:
    """All checkpoints, oldest first, as somebody else reads them."""
    async with committing(runs) as commit:
        found = [each async for each in StepSaver(commit, TENANT).alist(thread(run_id))]
    return found[::-1]


def written(checkpoint: CheckpointTuple) -> list[tuple[str, Any]]:
    return [(channel, value) for _, channel, value in checkpoint.pending_writes or []]


async def test_the_writes_of_a_finished_step_are_in_the_row_of_the_next(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await Stage.of(run_id, executor.saver).invoke(loop(3), GO)
    assert runs.task_writes(run_id) == []
    first, start, *rounds = ridden(runs, run_id)
    assert first == []
    assert start == ["messages", "n", "branch:to:node"]
    assert rounds == [["messages", "n", "branch:to:node"]] * 2 + [["messages", "n"]]
    # and belong to the one before
    values = [written(checkpoint) for checkpoint in await stored(runs, run_id)]
    assert [dict(each).get("n") for each in values] == [0, 1, 2, 3, None]


@pytest.mark.parametrize("channel", [INTERRUPT, ERROR, RESUME])
async def test_an_interrupt_an_error_or_an_answer_is_stored_at_once_with_what_rides(
    runs: Runs, channel: str
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        step = await executor.saver.aput(*put_of(thread(run_id), 0, n=1))
        await executor.saver.aput_writes(step, [("n", 2)], "done")
        assert runs.task_writes(run_id) == []
        await executor.saver.aput_writes(step, [(channel, "x")], "other")
        assert [row[2] for row in runs.task_writes(run_id)] == [channel, "n"]
        later = await executor.saver.aput(*put_of(step, 1, n=2))
        await asyncio.to_thread(executor.saver.put_writes, later, [(channel, "x")], "other")
        assert [row[2] for row in runs.task_writes(run_id)] == [channel, "n", channel]
    assert ridden(runs, run_id) == [[], []]


async def test_a_run_that_waits_has_the_rows_of_its_tasks_and_goes_on_from_them(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    graph = pair(lambda _: {"messages": [AIMessage(interrupt("?"), id="other")]})
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id), is_first=True) as executor:
            await Stage.of(run_id, executor.saver).invoke(graph, GO)
        asking = runs.steps(run_id)[-1][0]
        assert runs.task_writes(run_id) == [(asking, -3, INTERRUPT), (asking, 0, "messages")]
        async with executing(commit, runs.take_over(run_id)) as executor:
            stage = Stage.of(run_id, executor.saver)
            state = await stage.invoke(graph, Command(resume="x"))
    assert sorted(message.content for message in state["messages"]) == ["go", "quick", "x"]
    # LangGraph writes the answer once more with the result, which so need not wait for its step
    assert RESUME in [channel for step, _, channel in runs.task_writes(run_id) if step == asking]
    (parked,) = [each for each in await stored(runs, run_id) if each.checkpoint["id"] == asking]
    assert [channel for channel, _ in written(parked)].count("messages") == 2


@pytest.mark.parametrize("in_threads", [False, True], ids=["on the loop", "in threads"])
async def test_what_waits_for_longer_than_the_linger_is_stored_and_not_stored_twice(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, *, in_threads: bool
) -> None:
    monkeypatch.setattr(saver, "_LINGER", 0.05)
    go_on = threading.Event()

    def slow(_: Any) -> Any:
        assert go_on.wait(PATIENCE)
        return {"messages": [AIMessage("slow", id="slow")]}

    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stage = Stage.of(run_id, executor.saver, in_threads=in_threads)
        run = asyncio.create_task(stage.invoke(pair(slow), GO))
        await until(lambda: any(row[2] == "messages" for row in runs.task_writes(run_id)))
        monkeypatch.setattr(saver, "_LINGER", 60.0)
        go_on.set()
        state = await run
    assert sorted(message.content for message in state["messages"]) == ["go", "quick", "slow"]
    before, last = (await stored(runs, run_id))[-2:]
    assert sorted(value[0].content for _, value in written(before)) == ["quick", "slow"]
    assert written(last) == []
    assert [ridden(runs, run_id)[-1], len(runs.task_writes(run_id))] == [["messages"], 1]


async def test_what_rides_is_stored_when_the_execution_ends(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id)) as executor:
            step = await executor.saver.aput(*put_of(thread(run_id), 0, n=1))
            await executor.saver.aput_writes(step, [("n", 2)], "task")
            assert runs.task_writes(run_id) == []
        assert [row[1:] for row in runs.task_writes(run_id)] == [(0, "n")]


async def test_whoever_reads_sees_what_rides(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        step = await executor.saver.aput(*put_of(thread(run_id), 0, n=1))
        await executor.saver.aput_writes(step, [("n", 2)], "a")
        found = await executor.saver.aget_tuple(step)
        assert found
        assert written(found) == [("n", 2)]
        await executor.saver.aput_writes(step, [("n", 3)], "b")
        (found,) = [each async for each in executor.saver.alist(thread(run_id))]
        assert written(found) == [("n", 2), ("n", 3)]
        await executor.saver.aput_writes(step, [("n", 4)], "c")
        found = await asyncio.to_thread(executor.saver.get_tuple, step)
        assert found
        assert written(found) == [("n", 2), ("n", 3), ("n", 4)]


@pytest.mark.parametrize("is_held", [False, True], ids=["of any run", "of a held run"])
async def test_a_result_stays_what_it_was_first_and_an_interrupt_is_what_it_was_last(
    runs: Runs, *, is_held: bool
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        ours = executor.saver if is_held else StepSaver(commit, TENANT)
        step = await ours.aput(*put_of(thread(run_id), 0, n=1))
        for said in ("first", "second"):
            await ours.aput_writes(step, [("n", said)], "task")
            await ours.aput_writes(step, [(INTERRUPT, said)], "task")
            await ours.aput_writes(step, [(ERROR, said)], "other")
        found = await ours.aget_tuple(step)
        assert found
        assert written(found) == [(ERROR, "second"), (INTERRUPT, "second"), ("n", "first")]


@pytest.mark.parametrize("is_flushed", [False, True], ids=["in a step's row", "in its own row"])
async def test_what_a_task_wrote_first_counts_when_it_ran_again_for_a_fork(
    runs: Runs, *, is_flushed: bool
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        first = await executor.saver.aput(*put_of(thread(run_id), 0, n=1))
        for said in ("first", "second"):
            await executor.saver.aput_writes(first, [("n", said)], "task")
            if is_flushed:
                await executor.outbox.flush()
            await executor.saver.aput(*put_of(first, 1, n=2))
    before, *_ = await stored(runs, run_id)
    assert written(before) == [("n", "first")]


async def test_a_step_that_is_put_again_keeps_the_writes_that_its_row_holds(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        first = await executor.saver.aput(*put_of(thread(run_id), 0, n=1))
        await executor.saver.aput_writes(first, [("n", 2)], "task")
        again = put_of(first, 1, n=2)
        await executor.saver.aput(*again)
        again[2]["source"] = "update"
        await executor.saver.aput(*again)
    before, last = await stored(runs, run_id)
    assert written(before) == [("n", 2)]
    assert last.metadata["source"] == "update"


async def test_what_a_task_wrote_is_in_the_row_once(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await Stage.of(run_id, executor.saver).invoke(loop(4), GO)
    packed = [ormsgpack.unpackb(row) for (row,) in runs.steps(run_id, "writes") if row]
    said = [write for row in packed for write in row if write[3] == "messages"]
    assert len(said) >= 4
    assert [data for *_, data in said] == [None] * len(said)
    steps = await stored(runs, run_id)
    told = [value for step in steps for channel, value in written(step) if channel == "messages"]
    assert len(told) == len(said)
    assert all(told)
