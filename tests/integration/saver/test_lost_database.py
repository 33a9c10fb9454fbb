"""The database goes away, or its answer does: what had to be written is written, and once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from integration.saver.held import (
    PATIENCE,
    SIDES,
    THREADS,
    a_step,
    commit_of,
    committing,
    executing,
    put,
    until,
)
from integration.saver.loops import GO, ids, ids_after, loop, put_of, thread
from integration.saver.stage import Stage
from interlock.engine import group_commit
from interlock.engine.errors import DatabaseLost, Fenced
from interlock.engine.group_commit import GroupCommit, Query
from support import proxy
from support.proxy import ForgetfulProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from integration.saver.held import Runs
    from interlock.engine.embedded import EmbeddedPostgres
    from interlock.engine.group_commit import Answer, Unit

    Away = Callable[[], object]

SHORT = 0.2
_OURS = "from pg_stat_activity where datname = %(database)s and application_name = 'interlock'"


class Outage:
    """Has the engine's connections to the test's database broken, and no new one let in."""

    def __init__(self, admin: str, runs: Runs) -> None:
        self._admin = admin
        ((self._database,),) = runs.sql("select current_database()")

    def break_connections(self) -> None:
        """All that there are now."""
        self._do(f"select pg_terminate_backend(pid) {_OURS}")

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Have the server read nothing of what is sent on them."""
        pids = [pid for (pid,) in self._do(f"select pid {_OURS}")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """For the length of the block."""
        self._do(f"alter database {self._database} allow_connections false")
        self.break_connections()
        try:
            yield
        finally:
            self._do(f"alter database {self._database} allow_connections true")

    def _do(self, statement: str) -> list[Any]:
        with psycopg.connect(self._admin, autocommit=True) as conn:
            cursor = psycopg.ClientCursor(conn).execute(statement, {"database": self._database})
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def outage(postgres: EmbeddedPostgres, runs: Runs) -> Outage:
    return Outage(postgres.url, runs)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost database is soon given up."""
    monkeypatch.setattr(group_commit, "_PATIENCE", SHORT)


def times_recorded(runs: Runs, run_id: UUID, event: str) -> int:
    query = "select from audit_log where run_id = %(id)s and event = %(event)s"
    return len(runs.sql(query.replace("select", "select seq"), id=run_id, event=event))


@SIDES
async def test_a_write_whose_answer_is_lost_is_repeated_and_counted_once(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, *, in_thread: bool
) -> None:
    monkeypatch.setattr(proxy, "COMMIT", b"put_step(")
    run_id = runs.begin()
    result = runs.start_call(run_id)
    with ForgetfulProxy(runs.url, seed=3) as forgetful:
        forgetful.share = 0.4
        async with (
            GroupCommit(forgetful.url, threads=THREADS) as commit,
            executing(commit, runs.hold(run_id)) as executor,
        ):
            executor.outbox.ride(linger=60, free=[result])
            stage = Stage.of(run_id, executor.saver, in_threads=in_thread)
            state = await stage.invoke(loop(24), GO)
            await executor.outbox.flush()
    assert forgetful.forgotten > 1
    assert ids(state) == ids_after(24)
    assert runs.used_steps(run_id) == 24
    steps = [step for (step,) in runs.steps(run_id, "(metadata ->> 'step')::int")]
    assert steps == list(range(-1, 25))
    assert runs.state_of(result) == "succeeded"
    assert times_recorded(runs, run_id, "call.succeeded") == 1


@SIDES
async def test_a_connection_that_breaks_between_two_steps_is_made_anew(
    runs: Runs, outage: Outage, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    graph = loop(6, lambda n: outage.break_connections() if n in (2, 4) else None)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stage = Stage.of(run_id, executor.saver, in_threads=in_thread)
        async with asyncio.timeout(PATIENCE):
            assert ids(await stage.invoke(graph, GO)) == ids_after(6)
    assert (runs.used_steps(run_id), len(runs.steps(run_id))) == (6, 8)


@SIDES
async def test_a_connection_that_breaks_in_a_statement_is_made_anew(
    runs: Runs, outage: Outage, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        async with runs.locked(run_id):
            step = put_of(thread(run_id), 0, n=1)
            waiting = asyncio.create_task(put(executor, *step, in_thread=in_thread))
            await asyncio.sleep(SHORT)
            await asyncio.to_thread(outage.break_connections)
        async with asyncio.timeout(PATIENCE):
            await waiting
    assert len(runs.steps(run_id)) == 1


@SIDES
async def test_a_connection_that_breaks_while_a_large_step_is_sent_is_made_anew(
    runs: Runs, outage: Outage, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    large = "x" * 20_000_000
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        step = await put(executor, *put_of(thread(run_id), 0, n=1), in_thread=in_thread)
        with outage.standing_still():
            sent = put(executor, *put_of(step, 1, text=large), in_thread=in_thread)
            waiting = asyncio.create_task(sent)
            await asyncio.sleep(SHORT)
            assert not waiting.done()
            await asyncio.to_thread(outage.break_connections)
        async with asyncio.timeout(PATIENCE):
            found = await executor.saver.aget_tuple(await waiting)
        assert found
        assert found.checkpoint["channel_values"] == {"text": large}
    assert len(runs.steps(run_id)) == 2


@SIDES
async def test_a_database_that_comes_back_in_time_is_not_noticed_by_the_run(
    runs: Runs, outage: Outage, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    loop_of_test = asyncio.get_running_loop()

    def go_away(n: int) -> None:
        if n == 3:
            asyncio.run_coroutine_threadsafe(for_a_while(), loop_of_test)
            time.sleep(SHORT)

    async def for_a_while() -> None:
        with outage():
            await asyncio.sleep(3 * SHORT)

    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        stage = Stage.of(run_id, executor.saver, in_threads=in_thread)
        async with asyncio.timeout(PATIENCE):
            assert ids(await stage.invoke(loop(6, go_away), GO)) == ids_after(6)
    assert (runs.used_steps(run_id), len(runs.steps(run_id))) == (6, 8)


async def test_what_rode_with_a_write_that_was_given_up_rides_on(
    runs: Runs, outage: Outage, impatient: None
) -> None:
    run_id = runs.begin()
    result = runs.start_call(run_id)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        await put(executor, *put_of(thread(run_id), 0, n=1), in_thread=False)
        executor.outbox.ride(linger=60, free=[result], fenced=[a_step(run_id, "a read")])
        with outage(), pytest.raises(DatabaseLost):
            await executor.outbox.commit([a_step(run_id, "a start")])
        assert runs.state_of(result) == "executing"
        await executor.outbox.flush()
        assert runs.state_of(result) == "succeeded"
    assert ("a read",) in runs.steps(run_id)


@SIDES
async def test_what_rode_with_a_write_that_cannot_be_written_rides_on(
    runs: Runs, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    result = runs.start_call(run_id)
    bad = a_step(run_id, metadata="no JSON")
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        executor.outbox.ride(linger=60, free=[result], fenced=[a_step(run_id, "a read")])
        with pytest.raises(psycopg.DataError):
            await commit_of(executor, [bad], in_thread=in_thread)
        assert runs.state_of(result) == "executing"
        await executor.outbox.flush()
        assert runs.state_of(result) == "succeeded"
    assert runs.steps(run_id) == [("a read",)]


@SIDES
async def test_a_write_that_is_too_late_when_the_database_is_back_is_not_made_but_what_rode_is(
    runs: Runs, outage: Outage, *, in_thread: bool
) -> None:
    run_id = runs.begin()
    result, late = runs.start_call(run_id), asyncio.Event()
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        executor.outbox.ride(linger=60, free=[result])
        with outage():
            start = commit_of(
                executor, [a_step(run_id)], (), lambda: not late.is_set(), in_thread=in_thread
            )
            waiting = asyncio.create_task(start)
            await asyncio.sleep(SHORT)
            late.set()
        with pytest.raises(Fenced):
            await waiting
        await executor.outbox.flush()
        assert runs.state_of(result) == "succeeded"
    assert runs.steps(run_id) == []


@SIDES
async def test_a_write_that_is_too_late_when_there_is_a_connection_is_not_made(
    runs: Runs, *, in_thread: bool
) -> None:
    run_id, late = runs.begin(), asyncio.Event()
    slow = ForgetfulProxy(runs.url, seed=0)
    async with (
        GroupCommit(slow.url, threads=THREADS) as commit,
        executing(commit, runs.hold(run_id)) as executor,
    ):
        start = commit_of(
            executor, [a_step(run_id)], (), lambda: not late.is_set(), in_thread=in_thread
        )
        waiting = asyncio.create_task(start)
        await asyncio.sleep(SHORT)
        late.set()
        with slow, pytest.raises(Fenced):  # it answers from here on
            await waiting
    assert runs.steps(run_id) == []


async def test_what_lingers_is_written_once_the_database_is_back_without_being_asked_for(
    runs: Runs, outage: Outage, impatient: None
) -> None:
    run_id = runs.begin()
    result = runs.start_call(run_id)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        with outage():
            executor.outbox.ride(linger=0.01, free=[result])
            await asyncio.sleep(3 * SHORT)
        assert runs.state_of(result) == "executing"
        await until(lambda: runs.state_of(result) == "succeeded")


async def test_an_execution_ends_only_when_its_results_are_written(
    runs: Runs, outage: Outage, impatient: None
) -> None:
    run_id = runs.begin()
    results = [runs.start_call(run_id) for _ in range(3)]
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        with outage():
            executor.outbox.ride(linger=60, free=results)
            closing = asyncio.create_task(executor.outbox.close())
            await asyncio.sleep(5 * SHORT)
            assert not closing.done()
        async with asyncio.timeout(PATIENCE):
            await closing
        assert {runs.state_of(result) for result in results} == {"succeeded"}


async def test_what_cannot_be_written_keeps_nothing_else_from_being_written(
    runs: Runs,
) -> None:
    run_id = runs.begin()
    results = [runs.start_call(run_id) for _ in range(3)]
    steps = [a_step(run_id, "1"), a_step(run_id, "2")]
    bad = a_step(run_id, metadata="no JSON")
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        executor.outbox.ride(
            linger=60, free=[results[0], bad, *results[1:]], fenced=[steps[0], bad, steps[1]]
        )
        async with asyncio.timeout(PATIENCE):
            await executor.outbox.close()
        assert {runs.state_of(result) for result in results} == {"succeeded"}
    assert runs.steps(run_id) == [("1",), ("2",)]


async def test_what_rode_with_a_write_that_nobody_waits_for_any_more_is_not_lost(
    runs: Runs, outage: Outage, impatient: None
) -> None:
    run_id = runs.begin()
    result = runs.start_call(run_id)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        with outage():
            executor.outbox.ride(linger=60, free=[result])
            putting = asyncio.create_task(executor.saver.aput(*put_of(thread(run_id), 0, n=1)))
            await asyncio.sleep(SHORT / 4)
            putting.cancel()  # as when the run is stopped
            await asyncio.sleep(3 * SHORT)
        await executor.outbox.close()
        assert runs.state_of(result) == "succeeded"


class Failing(GroupCommit):
    """Has the database go away at the second write, for a while."""

    def __init__(self, url: str, outage: Outage) -> None:
        super().__init__(url, threads=THREADS)
        self._outage = outage
        self._writes = 0

    async def write(self, unit: Unit) -> Answer:
        self._writes += 1
        if self._writes != 2:
            return await super().write(unit)
        with self._outage():
            return await super().write(unit)


async def test_a_database_that_goes_away_while_results_are_sorted_out_takes_none_along(
    runs: Runs, outage: Outage, impatient: None
) -> None:
    run_id = runs.begin()
    results = [runs.start_call(run_id) for _ in range(3)]
    bad = a_step(run_id, metadata="no JSON")
    async with (
        Failing(runs.url, outage) as commit,
        executing(commit, runs.hold(run_id)) as executor,
    ):
        executor.outbox.ride(linger=60, free=[bad, *results])
        async with asyncio.timeout(PATIENCE):
            await executor.outbox.close()
        assert {runs.state_of(result) for result in results} == {"succeeded"}


async def test_a_result_that_was_written_before_is_not_written_again(runs: Runs) -> None:
    run_id = runs.begin()
    result = runs.start_call(run_id)
    async with committing(runs) as commit, executing(commit, runs.hold(run_id)) as executor:
        for in_thread in (False, True):
            said = await commit_of(executor, (), [result], in_thread=in_thread)
            assert said == ["written"]
    assert times_recorded(runs, run_id, "call.succeeded") == 1


@pytest.mark.slow
async def test_after_a_long_outage_the_database_is_asked_again_soon(
    runs: Runs, outage: Outage
) -> None:
    async with committing(runs) as commit:
        with outage():
            asked = asyncio.create_task(asyncio.to_thread(commit.fetch_now, Query("select 1", ())))
            read = asyncio.create_task(commit.fetch(Query("select 1", ())))
            await asyncio.sleep(8.0)
        async with asyncio.timeout(6.0):  # a pool's own pauses: 1, 2, 4 and 8 seconds
            assert await asked == await read == [(1,)]
