"""Steps are taken away and copied, and what stays reads as before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from integration.saver.held import TENANT, committing, executing
from integration.saver.loops import GO, ids, ids_after, loop, put_of, thread
from integration.saver.scenarios import Logged
from integration.saver.stage import Stage
from interlock.engine.errors import Conflict, UsageError
from interlock.engine.lane import Lane
from interlock.engine.saver import StepSaver
from langgraph.checkpoint.serde.types import INTERRUPT
from langgraph.graph import END, START, StateGraph

if TYPE_CHECKING:
    from uuid import UUID

    from integration.saver.held import Runs
    from interlock.engine.group_commit import GroupCommit
    from langgraph.checkpoint.base import CheckpointTuple

ROUNDS = 8


async def play(
    runs: Runs, commit: GroupCommit, run_id: UUID, rounds: int, given: Any = None
) -> Any:
    """Go on with a run up to a round, as somebody who has just claimed it."""
    hold = runs.take_over(run_id)
    async with executing(commit, hold, used=runs.used_steps(run_id)) as executor:
        return await Stage.of(run_id, executor.saver).invoke(loop(rounds), given)


async def all_of(commit: GroupCommit, run_id: UUID) -> list[CheckpointTuple]:
    """Every checkpoint, newest first."""
    return [each async for each in StepSaver(commit, TENANT).alist(thread(run_id))]


def seen(checkpoint: CheckpointTuple) -> Any:
    """All of a checkpoint but whose it is."""
    return (
        checkpoint.checkpoint,
        checkpoint.metadata,
        checkpoint.pending_writes,
        checkpoint.parent_config and checkpoint.parent_config["configurable"]["checkpoint_id"],
    )


async def test_the_latest_step_reads_as_before_when_those_it_rests_on_are_gone(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        await play(runs, commit, run_id, ROUNDS, GO)
        before = (await all_of(commit, run_id))[0]
        runs.park(run_id)
        await StepSaver(commit, TENANT).aprune([str(run_id)])
        (after,) = await all_of(commit, run_id)
        assert seen(after) == seen(before)
        runs.wake(run_id)
        state = await play(runs, commit, run_id, ROUNDS + 3, {"n": ROUNDS})
    assert ids(state) == ids_after(ROUNDS + 3)


async def test_the_writes_of_the_latest_step_stay_and_those_of_others_go(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        step = await executor.saver.aput(*put_of(thread(run_id), 0, numbers=[1]))
        for at in range(1, 4):
            await executor.saver.aput_writes(step, [("numbers", at)], f"done {at}")
            await executor.saver.aput_writes(step, [(INTERRUPT, at)], f"asked {at}")
            if at < 3:
                step = await executor.saver.aput(*put_of(step, at, numbers=list(range(at))))
        await executor.saver.aprune([str(run_id)])
        (after,) = await all_of(commit, run_id)
    assert after.pending_writes == [("asked 3", INTERRUPT, 3), ("done 3", "numbers", 3)]
    assert len(runs.task_writes(run_id)) == 2


async def test_whoever_holds_a_run_may_prune_it_and_goes_on(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stage = Stage.of(run_id, executor.saver)
        await stage.invoke(loop(ROUNDS), GO)
        await asyncio.to_thread(executor.saver.prune, [str(run_id)])
        assert len(runs.steps(run_id)) == 1
        state = await stage.invoke(loop(ROUNDS + 3), {"n": ROUNDS})
        await executor.outbox.flush()
        reader = Stage.of(run_id, StepSaver(commit, TENANT))
        assert ids((await reader.state(loop(1))).values) == ids_after(ROUNDS + 3) == ids(state)


@pytest.mark.parametrize("act", ["prune", "delete", "delete tagged"])
async def test_the_step_after_others_went_rests_on_none_of_them(runs: Runs, act: str) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        step = thread(run_id)
        for at in range(4):
            *given, metadata, versions = put_of(step, at, numbers=list(range(at + 1)))
            step = await executor.saver.aput(*given, {**metadata, "run_id": "a"}, versions)
        acts = {
            "prune": lambda: executor.saver.aprune([str(run_id)]),
            "delete": lambda: executor.saver.adelete_thread(str(run_id)),
            "delete tagged": lambda: executor.saver.adelete_for_runs(["a"]),
        }
        await acts[act]()
        await executor.saver.aput(*put_of(step, 4, numbers=list(range(5))))
        await executor.outbox.flush()
        newest, *before = await all_of(commit, run_id)
    assert newest.checkpoint["channel_values"] == {"numbers": [0, 1, 2, 3, 4]}
    assert len(before) == (act == "prune")


@pytest.mark.parametrize("act", ["prune", "prune all", "delete", "delete tagged"])
async def test_the_steps_of_a_run_that_another_executes_stay(runs: Runs, act: str) -> None:
    run_id, own = runs.begin(), runs.begin()
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id)) as executor:
            *step, metadata, versions = put_of(thread(run_id), 0, n=1)
            await executor.saver.aput(*step, {**metadata, "run_id": "a"}, versions)
            other = await executor.saver.aput(*put_of(thread(run_id), 1, n=2))
            await executor.saver.aput_writes(other, [(INTERRUPT, 1)], "asked")
        before = runs.steps(run_id, "*"), runs.task_writes(run_id)
        async with executing(commit, runs.hold(own)) as executor:
            acts = {
                "prune": lambda: executor.saver.aprune([str(run_id)]),
                "prune all": lambda: executor.saver.aprune([str(run_id)], strategy="delete"),
                "delete": lambda: executor.saver.adelete_thread(str(run_id)),
                "delete tagged": lambda: executor.saver.adelete_for_runs(["a"]),
            }
            with pytest.raises(Conflict, match="is being executed"):
                await acts[act]()
    assert (runs.steps(run_id, "*"), runs.task_writes(run_id)) == before


async def test_an_unknown_strategy_takes_nothing_away(runs: Runs) -> None:
    run_id = runs.begin("queued")
    async with committing(runs) as commit:
        saver = StepSaver(commit, TENANT)
        await saver.aput(*put_of(thread(run_id), 0, n=1))
        with pytest.raises(UsageError, match="keep_latest or delete, not 'delete_all'"):
            await saver.aprune([str(run_id)], strategy="delete_all")
    assert len(runs.steps(run_id)) == 1


@pytest.mark.parametrize("gone", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {1, 3}], ids=str)
async def test_steps_that_are_taken_out_leave_the_others_as_they_were(
    runs: Runs, gone: set[int]
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id)) as executor:
            step = thread(run_id)
            for at in range(5):
                *given, metadata, versions = put_of(step, at, numbers=list(range(at + 1)))
                tagged = {**metadata, "run_id": "gone" if at in gone else "stays"}
                step = await executor.saver.aput(*given, tagged, versions)
                # what the next step gains: its row has that once
                await executor.saver.aput_writes(step, [("numbers", [at + 1])], f"done {at}")
        before = [
            seen(each) for each in await all_of(commit, run_id) if each.metadata["step"] not in gone
        ]
        assert any(entry.on for entry in runs.entries(run_id, "numbers").values())
        runs.park(run_id)
        await StepSaver(commit, TENANT).adelete_for_runs(["gone"])
        assert [seen(each) for each in await all_of(commit, run_id)] == before
        # nothing is left of those that went
        steps = {step for (step,) in runs.steps(run_id)}
        assert {step for step, *_ in runs.task_writes(run_id)} <= steps


async def test_a_channel_that_langgraph_puts_together_from_writes_outlives_pruning(
    runs: Runs,
) -> None:
    graph = StateGraph(Logged)
    graph.add_node("loop", lambda state: {"log": [state["n"]], "n": state["n"] + 1})
    graph.add_edge(START, "loop")
    graph.add_conditional_edges("loop", lambda state: "loop" if state["n"] % 7 else END)
    run_id = runs.begin()
    async with committing(runs) as commit:
        stage = Stage.of(run_id, StepSaver(commit, TENANT))
        await stage.invoke(graph, {"log": ["in"], "n": 1})
        before = (await stage.state(graph)).values
        runs.park(run_id)
        await StepSaver(commit, TENANT).aprune([str(run_id)])
        assert len(runs.steps(run_id)) < 6
        assert (await stage.state(graph)).values == before
        after = await stage.invoke(graph, {"log": ["again"]})
    assert after["log"] == [*before["log"], "again", *range(7, 14)]


async def test_a_copy_reads_as_its_source_and_outlives_it(runs: Runs) -> None:
    source, target = runs.begin(), runs.begin()
    async with committing(runs) as commit:
        await play(runs, commit, source, ROUNDS, GO)
        async with executing(commit, runs.hold(source)) as executor:
            newest = await executor.saver.aget_tuple(thread(source))
            assert newest
            await executor.saver.aput_writes(newest.config, [("n", 1)], "riding")
            await executor.saver.acopy_thread(str(source), str(target))
        before = [seen(each) for each in await all_of(commit, source)]
        runs.park(source)
        await StepSaver(commit, TENANT).adelete_thread(str(source))
        assert await all_of(commit, source) == []
        copied = await all_of(commit, target)
        assert [seen(each) for each in copied] == before
        assert {each.config["configurable"]["thread_id"] for each in copied} == {str(target)}
        state = await play(runs, commit, target, ROUNDS + 2, {"n": ROUNDS})
    assert ids(state) == ids_after(ROUNDS + 2)


async def test_a_run_whose_steps_were_all_deleted_begins_anew(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stage = Stage.of(run_id, executor.saver)
        await stage.invoke(loop(3), GO)
        await executor.saver.adelete_thread(str(run_id))
        assert runs.steps(run_id) == runs.task_writes(run_id) == []
        assert ids(await stage.invoke(loop(2), GO)) == ids_after(2)
    assert len(runs.steps(run_id)) == 4


async def test_what_is_under_way_does_not_land_on_what_was_taken_away(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = runs.begin()
    go, really = asyncio.Event(), Lane.ask

    async def held_up(self: Lane, text: bytes, values: Any) -> Any:
        await go.wait()
        return await really(self, text, values)

    monkeypatch.setattr(Lane, "ask", held_up)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        step = thread(run_id)
        for at in range(3):
            step = await executor.saver.aput(*put_of(step, at, n=at))
        await asyncio.sleep(0.05)  # they are on their way
        asyncio.get_running_loop().call_later(0.3, go.set)
        await asyncio.to_thread(executor.saver.prune, [str(run_id)])
    assert len(runs.steps(run_id)) == 1
