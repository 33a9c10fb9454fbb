"""Runs in the hands of executors, and what is stored of them."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from integration.schema.rows import TENANT, Rows
from interlock.engine.calls_made import CallsMade
from interlock.engine.group_commit import GroupCommit, Write
from interlock.engine.hold import Hold
from interlock.engine.outbox import Outbox
from interlock.engine.saver import StepSaver
from interlock.engine.step_rows import unpack_entries
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self
    from uuid import UUID

    from interlock.engine.channel_values import Entry

THREADS = 8
PATIENCE = 15.0
LIMIT = 1000
_ALIKE = """
insert into runs (tenant_id, id, agent, fingerprint, input, tags, requested_by, request_digest,
                  limit_steps, limit_calls, limit_seconds, limit_repeats)
select tenant_id, %(id)s, agent, fingerprint, input, tags, requested_by, request_digest,
       limit_steps, limit_calls, limit_seconds, limit_repeats
from runs where id = %(like)s
"""


class Runs:
    """Runs in one database: asked for, claimed, taken over, looked at."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._conn = psycopg.connect(url)
        self._rows = Rows(self._conn)
        self._conn.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._conn.close()

    def begin(self, status: str = "running", **columns: Any) -> UUID:
        """A run; one that is running was claimed once."""
        with self._conn.transaction():
            return self._rows.run(status, **{"limit_steps": LIMIT, **columns})

    def begin_as(self, run_id: UUID, *, claimed: bool) -> None:
        """A run of this id, unless there is one."""
        if self.sql("select id from runs where id = %(id)s", id=run_id):
            return
        like = self.begin("queued")
        with self._conn.transaction():
            self._rows.do(_ALIKE, id=run_id, like=like)
            self._rows.audit("run.created", subject=run_id, state="queued")
            if claimed:
                self._rows.claim(run_id)

    def hold(self, run_id: UUID) -> Hold:
        """The run as whoever claimed it last holds it."""
        ((epoch,),) = self.sql("select epoch from runs where id = %(id)s", id=run_id)
        return Hold(TENANT, run_id, "fleet-ops", epoch, self._rows.worker)

    def take_over(self, run_id: UUID) -> Hold:
        """Have the run claimed once more, as after the death of its worker."""
        self.requeue(run_id)
        with self._conn.transaction():
            self._rows.claim(run_id)
        return self.hold(run_id)

    def requeue(self, run_id: UUID) -> None:
        """Put the run back for anybody to claim."""
        with self._conn.transaction():
            self._rows.move("runs", run_id, "queued", worker_id=None)

    def park(self, run_id: UUID) -> None:
        """Let the run wait for a person."""
        with self._conn.transaction():
            self._rows.move("runs", run_id, "waiting", worker_id=None)

    def wake(self, run_id: UUID) -> None:
        """Have a run that waits claimed again."""
        with self._conn.transaction():
            self._rows.move("runs", run_id, "queued")
            self._rows.claim(run_id)

    @asynccontextmanager
    async def locked(self, run_id: UUID) -> AsyncIterator[None]:
        """Whoever writes to the run waits for the end of the block."""
        async with await psycopg.AsyncConnection.connect(self.url) as conn:
            await conn.execute("select from runs where id = %s for update", (run_id,))
            yield

    def start_call(self, run_id: UUID) -> Write:
        """Start a call of the run; the write of its result, which is not fenced."""
        with self._conn.transaction():
            call = self._rows.propose(run_id)
            self._rows.start(call)
        query = "select start_token from calls where id = %(id)s"
        ((token,),) = self.sql(query, id=call.id)
        where = (TENANT, run_id, call.id, None, token)
        said = ("succeeded", "json", b"1", None, "call.succeeded", "worker:tests", b"{}")
        return Write("finish_call", (*where, *said), ids={"call_id": call.id})

    # What is stored ----------------------------------------------------------------------------

    def sql(self, query: str, /, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement that is committed."""
        with self._conn.transaction():
            cursor = self._conn.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def steps(self, run_id: UUID, columns: str = "id", ns: str = "") -> list[tuple[Any, ...]]:
        """The run's steps, oldest first."""
        where = "where run_id = %(id)s and ns = %(ns)s order by steps.id"
        query = f"select {columns} from steps {where}"  # noqa: S608 - of the test's own
        return self.sql(query, id=run_id, ns=ns)

    def entries(self, run_id: UUID, channel: str) -> dict[str, Entry]:
        """Step → what its row holds of a channel, oldest first; without those that hold nothing."""
        found = {step: unpack_entries(row) for step, row in self.steps(run_id, "id, channels")}
        return {step: entries[channel] for step, entries in found.items() if channel in entries}

    def task_writes(self, run_id: UUID) -> list[tuple[str, int, str]]:
        """Step, index and channel of each write that has a row of its own."""
        query = (
            "select step_id, idx, channel from step_writes where run_id = %(id)s order by 1, 2, 3"
        )
        return self.sql(query, id=run_id)

    def used_steps(self, run_id: UUID) -> int:
        ((used,),) = self.sql("select used_steps from runs where id = %(id)s", id=run_id)
        return used

    def state_of(self, result: Write) -> str:
        """The state of the call that a result belongs to."""
        query = "select state from calls where id = %(id)s"
        ((state,),) = self.sql(query, id=(result.ids or {})["call_id"])
        return state


@dataclass(frozen=True)
class Executor:
    """What an execution of a run has of it."""

    hold: Hold
    outbox: Outbox
    saver: StepSaver
    made: CallsMade


@dataclass
class Counting:
    """Counts steps, as an execution does."""

    outbox: Outbox

    def step_done(self, *_: Any) -> dict[str, Any]:
        """One more."""
        self.outbox.count_step(LIMIT)
        return {}

    def task_done(self, *_: Any) -> None:
        """Fine."""

    def step_read(self, *_: Any) -> None:
        """Fine."""

    def step_stored(self, *_: Any) -> None:
        """Fine."""


@asynccontextmanager
async def executing(
    commit: GroupCommit,
    hold: Hold,
    *,
    is_first: bool = False,
    used: int = 0,
    is_held: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Executor]:
    """An executor that counts the steps on from `used` and, in the end, writes what rides."""
    made = CallsMade()
    outbox = Outbox(commit, hold, used, made, is_held)
    saver = StepSaver(
        commit,
        hold.tenant,
        outbox=outbox,
        is_first=is_first,
        watch=Counting(outbox),
    )
    try:
        yield Executor(hold, outbox, saver, made)
    finally:
        await outbox.close()


SIDES = pytest.mark.parametrize("in_thread", [False, True], ids=["on the loop", "in a thread"])


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something to hold."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def put(executor: Executor, *step: Any, in_thread: bool) -> Any:
    """Store a step from the loop, or from a thread."""
    if in_thread:
        return await asyncio.to_thread(executor.saver.put, *step)
    stored = await executor.saver.aput(*step)
    await executor.outbox.flush()
    return stored


async def commit_of(executor: Executor, *writes: Any, in_thread: bool) -> list[str]:
    """Commit fenced and free writes from the loop, or from a thread."""
    if in_thread:
        return await asyncio.to_thread(executor.outbox.commit_now, *writes)
    return await executor.outbox.commit(*writes)


def committing(runs: Runs) -> GroupCommit:
    """What writes to the runs' database; open it on the loop."""
    return GroupCommit(runs.url, threads=THREADS)


def a_step(run_id: UUID, name: str | None = None, **changed: Any) -> Write:
    """The row of a step that holds nothing."""
    row = {
        "tenant": TENANT,
        "run": run_id,
        "ns": "",
        "id": name or str(uuid7()),
        "parent": None,
        "state": b"",
        "channels": b"\x80",
        "writes": None,
        "metadata": "{}",
        **changed,
    }
    return Write("put_step", tuple(row.values()))
