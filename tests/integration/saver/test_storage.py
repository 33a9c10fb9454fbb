"""What a run's steps take in the database: one statement each, and of a value what changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from integration.saver.comparing import both
from integration.saver.held import TENANT, THREADS, committing, executing, put
from integration.saver.loops import GO, ids, ids_after, loop, put_of, thread
from integration.saver.scenarios import subgraph
from integration.saver.stage import Stage
from interlock.engine import channel_values, saver, step_buffer
from interlock.engine.group_commit import GroupCommit
from interlock.engine.saver import StepSaver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from integration.saver.held import Runs
    from interlock.engine.channel_values import Entry
    from interlock.engine.group_commit import Answer, Unit


class Counting(GroupCommit):
    """Keeps what is written, and counts what is read."""

    def __init__(self, url: str) -> None:
        super().__init__(url, threads=THREADS)
        self.written: list[Unit] = []
        self.reads = 0

    def submit(self, unit: Unit) -> asyncio.Future[Answer]:
        self.written.append(unit)
        return super().submit(unit)

    def write_now(self, unit: Unit) -> Answer:
        self.written.append(unit)
        self.reads -= 1  # a write from a thread is fetched like a read
        return super().write_now(unit)

    async def fetch(self, *given: Any) -> list[tuple[Any, ...]]:
        self.reads += 1
        return await super().fetch(*given)

    def fetch_now(self, *given: Any) -> list[tuple[Any, ...]]:
        self.reads += 1
        return super().fetch_now(*given)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task wrote waits for its step however slow the machine is."""
    monkeypatch.setattr(saver, "_LINGER", 60.0)


def chains(entries: Mapping[str, Entry]) -> dict[str, list[Entry]]:
    """Step → the entries that its value is made of, the last one first."""
    found: dict[str, list[Entry]] = {}
    for step, entry in entries.items():
        found[step] = [entry, *(found[entry.on] if entry.on else ())]
    return found


@pytest.mark.parametrize("in_threads", [False, True], ids=["on the loop", "in threads"])
async def test_a_superstep_is_one_row_in_at_most_one_statement_and_no_read(
    runs: Runs, patient: None, *, in_threads: bool
) -> None:
    run_id = runs.begin()
    async with (
        Counting(runs.url) as commit,
        executing(commit, runs.hold(run_id), is_first=True) as executor,
    ):
        stage = Stage.of(run_id, executor.saver, in_threads=in_threads)
        await stage.invoke(loop(10), GO)
    # the input, the way to the first node, and ten rounds
    assert len(runs.steps(run_id)) == 12
    functions = [write.function for unit in commit.written for write in unit.fenced]
    assert functions == ["put_step"] * 12
    assert [unit.free for unit in commit.written if unit.free] == []
    assert commit.reads == 0
    sent = len(commit.written)
    assert len({xmin for (xmin,) in runs.steps(run_id, "xmin::text")}) == sent
    # in threads each is waited for; on the loop those that come meanwhile go together
    assert sent == 12 if in_threads else 2 <= sent <= 12


async def test_the_count_of_steps_is_written_in_the_transaction_of_the_last(
    runs: Runs, patient: None
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await Stage.of(run_id, executor.saver).invoke(loop(5), GO)
    counted = runs.sql("select used_steps, xmin::text from runs where id = %(id)s", id=run_id)
    assert counted == [(5, runs.steps(run_id, "xmin::text")[-1][0])]


async def test_a_growing_list_is_stored_by_difference_and_every_state_of_it_reads_back(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id)) as executor:
            await Stage.of(run_id, executor.saver).invoke(loop(30), GO)
        reader = Stage.of(run_id, StepSaver(commit, TENANT))
        states = [state.values for state in await reader.history(loop(30))]

    entries = runs.entries(run_id, "messages")
    assert [entry.keep for entry in entries.values()] == list(range(31))
    steps = list(entries)
    assert [entry.on for entry in entries.values()] == [None, *steps[:-1]]
    (first, *rest) = (len(entry.data) for entry in entries.values())
    assert max(rest) < 1.5 * first
    assert [ids(state) for state in reversed(states[:31])] == [ids_after(n) for n in range(31)]


async def test_a_chain_of_differences_is_bounded_whoever_executes(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_values, "_LONGEST_CHAIN", 4)
    run_id = runs.begin()
    async with committing(runs) as commit:
        for rounds in (5, 10, 15, 20):
            hold = runs.take_over(run_id)
            async with executing(commit, hold, used=runs.used_steps(run_id)) as executor:
                stage = Stage.of(run_id, executor.saver)
                state = await stage.invoke(loop(rounds), {"n": rounds - 5} if rounds > 5 else GO)
                assert ids(state) == ids_after(rounds)
    lengths = [len(chain) for chain in chains(runs.entries(run_id, "messages")).values()]
    assert lengths == [1 + at % 5 for at in range(21)]


async def test_differences_do_not_outgrow_what_they_rest_on(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_values, "_GROWTH", 1)
    monkeypatch.setattr(channel_values, "_FLOOR", 100)
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await Stage.of(run_id, executor.saver).invoke(loop(40), GO)
    longest = 0
    for *differences, whole in chains(runs.entries(run_id, "messages")).values():
        assert sum(len(entry.data) for entry in differences) <= len(whole.data) + 100
        longest = max(longest, len(differences))
    assert longest > 5


async def test_a_channel_that_stays_as_it_is_stores_nothing_however_often_it_is_written(
    runs: Runs,
) -> None:
    def same(_: int) -> dict[str, Any]:
        return {"text": "x" * 500, "table": {"a": [1, {"b": 2}]}, "numbers": list(range(50))}

    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await Stage.of(run_id, executor.saver).invoke(loop(10, same), GO)
    for channel in ("text", "table", "numbers"):
        assert len(runs.entries(run_id, channel)) == 1
    assert len(runs.entries(run_id, "messages")) == 11


async def test_without_an_outbox_every_step_holds_all_that_changed_whole(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        stage = Stage.of(run_id, StepSaver(commit, TENANT))
        await stage.invoke(loop(5), GO)
    assert [entry.on for entry in runs.entries(run_id, "messages").values()] == [None] * 6


async def test_an_executor_that_remembers_little_stores_more_and_nothing_else_changes(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_buffer, "_MOST_HEADS", 1)
    ours, theirs = await both(subgraph, "one executor", runs)
    assert ours == theirs


@pytest.mark.parametrize("gone", [0, 2, 4], ids=["the whole one", "one between", "the last"])
async def test_a_value_of_which_a_part_is_gone_is_an_error(runs: Runs, gone: int) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit:
        async with executing(commit, runs.hold(run_id)) as executor:
            await Stage.of(run_id, executor.saver).invoke(loop(6), GO)
        entries = runs.entries(run_id, "messages")
        lost = list(entries)[gone]
        runs.sql("delete from steps where id = %(id)s", id=lost)
        reader = StepSaver(commit, TENANT)
        with pytest.raises(KeyError, match=f"Step {lost} of run {run_id} is gone"):
            await reader.aget_tuple(thread(run_id))
        with pytest.raises(KeyError, match=lost):
            await asyncio.to_thread(reader.get_tuple, thread(run_id))
        with pytest.raises(KeyError, match=lost):
            async for _ in reader.alist(thread(run_id)):
                pass
        before = list(entries)[gone - 1]
        if gone:  # what does not rest on it is as it was
            found = await reader.aget_tuple(thread(run_id, before))
            assert found
            assert ids(found.checkpoint["channel_values"]) == ids_after(gone - 1)


async def test_a_channel_that_is_missing_in_its_row_is_an_error(runs: Runs) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stored = await put(executor, *put_of(thread(run_id), 0, text="x" * 100), in_thread=False)
        runs.sql(r"update steps set channels = '\x80'")
        with pytest.raises(KeyError, match="text"):
            await executor.saver.aget_tuple(stored)


async def test_a_checkpoint_that_was_read_can_be_changed_without_changing_the_next(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stored = await executor.saver.aput(*put_of(thread(run_id), 0, numbers=[[1], [2]]))
        found = await executor.saver.aget_tuple(stored)
        assert found
        numbers = found.checkpoint["channel_values"]["numbers"]
        numbers[0].append("changed")
        later = await executor.saver.aput(*put_of(stored, 1, numbers=numbers))
        for config, expected in ((stored, [[1], [2]]), (later, [[1, "changed"], [2]])):
            again = await executor.saver.aget_tuple(config)
            assert again
            assert again.checkpoint["channel_values"]["numbers"] == expected
