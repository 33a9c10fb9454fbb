"""A worker: claims runs, executes them side by side, and lets go of them in good order."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from . import raising, runs
from .approvals import expire_due
from .audit import record
from .chat_models import journal_replies
from .database import execute, first_line
from .errors import CancelRequested, DatabaseLost, said
from .execution import Ended, Execution, Parked, Released
from .group_commit import GroupCommit, Unit
from .lease import Lease
from .lifecycle import Exit
from .logs import configure_default
from .rollback_work import Rollbacks
from .spool import Spool
from .strict import require_strict
from .trips import Breakers
from .versions import changed, choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from sqlalchemy import Connection

    from .agent import Agent
    from .database import Database
    from .execution import Ending
    from .hold import Hold
    from .runs import Claim

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works.

    Attributes:
        concurrency: runs executed side by side.
        lease_seconds: how long its runs stay its own without a sign of life.
        poll_seconds: how often it looks without being told to.
        most_deaths: workers that one run may take along without a step done, before it ends.
        spool: a folder on this machine's own disk, for results that the database cannot take.
    """

    concurrency: int = 8
    lease_seconds: float = 15.0
    poll_seconds: float = 1.0
    most_deaths: int = 10
    tenant: str = "default"
    spool: Path | None = None


class Worker:
    """Executes the runs of some agents until it is told to stop.

    Raises:
        UsageError: checkpoints would be deserialised permissively, or replies not be journaled.
    """

    def __init__(
        self, db: Database, agents: Sequence[Agent], settings: WorkerSettings | None = None
    ) -> None:
        require_strict()
        journal_replies()
        configure_default()
        self.id: UUID = uuid7()
        self._db = db
        self._agents = {agent.name: agent for agent in agents}
        self._settings = settings or WorkerSettings()
        self._executing: dict[Hold, Execution] = {}
        self._tasks: dict[asyncio.Task[None], Hold] = {}
        self._stopping = threading.Event()
        self._lease = Lease(db, self.id, self._settings.lease_seconds)
        self._breakers = Breakers(db, self._settings.tenant, agents)
        self._rollbacks = Rollbacks(db, self.id, self._agents, self._lease, self._settings.tenant)
        spool = self._settings.spool
        self._spool = Spool(spool) if spool is not None else None
        self._wake: Callable[[], None] = lambda: None
        self._threads = ThreadPoolExecutor(
            2 * self._settings.concurrency + 4, thread_name_prefix="interlock-worker"
        )

    def run(self) -> None:
        """Work until `stop`; blocks."""
        asyncio.run(self._main())

    def stop(self) -> None:
        """Claim nothing more, finish the steps in hand, release the runs, and return from `run`."""
        self._stopping.set()
        self._wake()

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        # a sync tool and the statements around it may each hold a thread; what keeps the worker
        # going has threads of its own, which no tool can take
        loop.set_default_executor(ThreadPoolExecutor(4 * self._settings.concurrency + 8))
        due = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended: so has the worker
                loop.call_soon_threadsafe(due.set)

        self._wake = wake
        await self._aside(self._register)
        listener = asyncio.create_task(self._listen(due))
        async with GroupCommit(self._db.url, threads=self._settings.concurrency + 2) as commit:
            try:
                await self._loop(commit, due)
                await self._drain()
            finally:
                listener.cancel()
                await self._aside(self._lease.stop)

    def _register(self) -> None:
        fingerprints = [agent.fingerprint for agent in self._agents.values()]

        def write(conn: Connection) -> None:
            for agent in self._agents.values():
                register(conn, agent, tenant=self._settings.tenant, worker_id=self.id)

        self._db.retry(write)
        self._lease.start(fingerprints)
        log.info("worker.started", worker_id=str(self.id), agents=sorted(self._agents))

    async def _aside(self, work: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    async def _loop(self, commit: GroupCommit, due: asyncio.Event) -> None:
        next_sweep = 0.0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            due.clear()
            if loop.time() >= next_sweep:
                for duty in self._duties:
                    await self._aside(self._guarded, duty)
                next_sweep = loop.time() + self._settings.poll_seconds
            for claim, term in await self._claim(commit):
                task = asyncio.create_task(self._execute(commit, claim, term))
                self._tasks[task] = claim.hold
                task.add_done_callback(self._tasks.pop)
                task.add_done_callback(lambda _: due.set())
            try:
                await asyncio.wait_for(due.wait(), self._settings.poll_seconds)
            except TimeoutError:
                continue

    async def _drain(self) -> None:
        for execution in list(self._executing.values()):
            execution.drain()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._aside(self._rollbacks.stop)
        log.info("worker.stopped", worker_id=str(self.id))

    def _guarded(self, work: Callable[[], object]) -> None:
        with self._guarding():
            work()

    @contextmanager
    def _guarding(self) -> Iterator[None]:
        """The loop's edge: without the database there is nothing to do but to try again."""
        try:
            yield
        except (DatabaseLost, SQLAlchemyError, psycopg.Error, OSError) as error:
            log.warning("worker.database_lost", error=first_line(error))
        except Exception:  # the loop must not end before its worker is told to
            log.exception("worker.round_failed")

    async def _claim(self, commit: GroupCommit) -> list[tuple[Claim, int]]:
        """Claims, each with the lease's term that it was made in."""
        free = self._settings.concurrency - len(self._tasks)
        if free < 1 or not self._lease.is_good():
            return []
        term = self._lease.term()
        query = runs.claiming(
            tenant=self._settings.tenant,
            worker_id=self.id,
            agents={name: agent.fingerprint for name, agent in self._agents.items()},
            free=free,
            fallbacks=self._breakers.fallbacks,
        )
        with self._guarding():
            if self._breakers.are_there:
                await self._aside(self._breakers.look)
            return [(claim, term) for claim in runs.claimed(await commit.ask(query), self.id)]
        return []

    @property
    def _duties(self) -> tuple[Callable[[], object], ...]:
        """What is looked after between claims; what goes wrong with one keeps no other from it."""
        mine = (self._recover, self._rollbacks.look, self._breakers.sweep)
        due = (partial(expire_due, self._db), partial(raising.end_overdue, self._db))
        return (partial(self._spool.deliver, self._db), *due, *mine) if self._spool else due + mine

    def _recover(self) -> None:
        in_hand = [hold.run_id for hold in list(self._tasks.values())]
        with self._db.begin() as conn:
            runs.recover(
                conn,
                most_deaths=self._settings.most_deaths,
                worker_id=self.id,
                in_hand=in_hand,
            )
            rows = execute(conn, "cancelled_runs", worker_id=self.id).all()
        cancelled = {row.id: row.cancel_requested_by for row in rows}
        for hold, execution in list(self._executing.items()):
            if hold.run_id in cancelled:
                execution.gate.halt(CancelRequested(cancelled[hold.run_id]))

    async def _execute(self, commit: GroupCommit, claim: Claim, term: int) -> None:
        agent = self._agents[claim.hold.agent]
        ids = {"run_id": str(claim.hold.run_id), "agent": agent.name}
        if changed(claim, agent):
            await self._aside(self._choose_version, claim, agent)
            return
        execution = Execution(
            self._db, commit, agent, claim, self._lease, term, self._threads, self._spool
        )
        self._executing[claim.hold] = execution
        if self._stopping.is_set():
            execution.drain()
        try:
            ending = await execution.run()
            await self._close(commit, execution, ending)
        except Exception as error:  # the edge: whatever it is, the run must not be left hanging
            log.exception("run.broke", **ids)
            ending = Ended(Exit.FAILED, f"The engine failed: {said(error)}")
            await self._aside(self._let_go, execution, ending)
        finally:
            del self._executing[claim.hold]

    def _choose_version(self, claim: Claim, agent: Agent) -> None:
        self._db.retry(lambda conn: choose(conn, claim, agent), patience=float("inf"))

    async def _close(self, commit: GroupCommit, execution: Execution, ending: Ending) -> None:
        if not await _end_at_once(commit, execution, ending):
            await self._aside(self._let_go, execution, ending)

    def _let_go(self, execution: Execution, ending: Ending) -> None:
        """Write the ending down, with what was left open, however long the database is away."""
        claim, hold = execution.claim, execution.claim.hold
        active_ms = execution.gate.active_ms()

        def write(conn: Connection) -> None:
            match ending:
                case Parked():
                    runs.park(conn, claim, active_ms=active_ms)
                case Released():
                    runs.release(
                        conn,
                        hold,
                        active_ms=active_ms,
                        delay=ending.delay,
                        wants_room=ending.wants_room,
                    )
                case Ended():
                    ended = runs.end(
                        conn,
                        hold,
                        exit=ending.exit,
                        reason=ending.reason,
                        output=ending.output,
                        active_ms=active_ms,
                    )
                    if ended and ending.reached:
                        raising.ask(conn, hold, ending.reached)

        self._db.retry(write, patience=float("inf"))

    async def _listen(self, due: asyncio.Event) -> None:
        """Look as soon as something happens; where notifications do not pass, polling does it."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._db.url, autocommit=True
                ) as conn:
                    await conn.execute(f"listen {runs.CHANNEL}")
                    async for _ in conn.notifies():
                        due.set()
            except psycopg.Error as error:
                log.warning("worker.listener_lost", error=first_line(error))
            await asyncio.sleep(1.0)


async def _end_at_once(commit: GroupCommit, execution: Execution, ended: Ending) -> bool:
    """End a run with others that end; false where it has more to it than that."""
    if not isinstance(ended, Ended) or ended.reached:
        return False
    write = runs.ending(
        execution.claim.hold,
        exit=ended.exit,
        reason=ended.reason,
        output=ended.output,
        active_ms=execution.gate.active_ms(),
    )
    try:
        answer = await commit.write(Unit(None, free=(write,)))
    except DatabaseLost:
        return False
    said = answer.free[0]
    if said == "written" and write.event:
        log.info(write.event, **(write.ids or {}))
    return said != "open"


def register(conn: Connection, agent: Agent, *, tenant: str, worker_id: UUID) -> None:
    """Make an agent known: its tools, limits and policy, so that runs of it can be asked for."""
    for each in filter(None, (agent.policy, agent.shadow)):
        if execute(conn, "store_policy", digest=each.digest, text=each.text).rowcount:
            _note(conn, tenant, worker_id, "policy.stored", {"policy": each.digest})
    is_new = execute(
        conn,
        "register_agent",
        tenant=tenant,
        name=agent.name,
        fingerprint=agent.fingerprint,
        shape=agent.shape,
        policy_digest=agent.policy.digest,
        tools=json.dumps(agent.tools_as_json()),
        limits=json.dumps(agent.limits.as_json()),
        fallback=agent.breaker.model_name if agent.breaker else None,
        most_pending=agent.pending,
    ).scalar_one()
    if is_new:
        detail = {
            "agent": agent.name,
            "fingerprint": agent.fingerprint,
            "policy": agent.policy.digest,
        }
        _note(conn, tenant, worker_id, "agent.registered", detail)


def _note(
    conn: Connection, tenant: str, worker_id: UUID, event: str, detail: dict[str, str]
) -> None:
    record(conn, tenant=tenant, event=event, actor=f"worker:{worker_id}", detail=detail)
