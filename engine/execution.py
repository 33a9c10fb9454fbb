"""One execution of a run: from the claim to its end, a park, or its release."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from langchain_core.load import dumps
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import WRITES_IDX_MAP
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT
from langgraph.errors import GraphDrained, GraphRecursionError
from langgraph.runtime import RunControl
from pydantic_core import to_jsonable_python

from ..tools.gated import current_gate
from .calls_made import CallsMade
from .errors import (
    Ambiguous,
    CancelRequested,
    DatabaseLost,
    Fenced,
    NoRoom,
    NotRecorded,
    Postponed,
    RejectedInARow,
    Swallowed,
    said,
)
from .gate import RunGate
from .lifecycle import Exit
from .limits import LimitReached
from .means import Means
from .outbox import Outbox
from .progress import Progress
from .replies import Replies, current_replies
from .saver import StepSaver
from .spending import Spending
from .stated import Stated, current_stated
from .stops import RunStopped, Stop
from .taint import Taint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from uuid import UUID

    from sqlalchemy import Connection

    from .agent import Agent
    from .call import Call
    from .database import Database
    from .group_commit import GroupCommit
    from .lease import Lease
    from .runs import Claim
    from .spool import Spool

log = structlog.get_logger()

_INTERRUPTED = frozenset({ERROR, INTERRUPT})
"""What a task writes that did not return."""
_EXITS: Mapping[type[Stop], Exit] = {
    Ambiguous: Exit.AMBIGUOUS,
    CancelRequested: Exit.CANCELLED,
    RejectedInARow: Exit.REJECTED,
}
_STALLED = (
    "The run makes no progress: it went round the same steps {} times, nothing new came of it, and "
    "it began again. It was stopped where it was."
)
_GRACE = 10.0
"""Seconds that calls in flight get to report after the run was stopped."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The run is over."""

    exit: Exit
    reason: str
    output: Any = None
    reached: LimitReached | None = None
    """The limit that ended it, which a person may raise."""


@dataclass(frozen=True, slots=True)
class Parked:
    """The run waits for a person."""


@dataclass(frozen=True, slots=True)
class Released:
    """The run is given back, for any worker to take up; nothing happens if another one has it."""

    why: str
    delay: float = 0.0
    wants_room: bool = False
    """It waits for room among the calls that people are asked about."""


Ending = Ended | Parked | Released


class Execution:
    """Runs the graph of one claimed run until it ends, parks or is stopped.

    `term` is the lease's, from before the claim.
    """

    def __init__(
        self,
        db: Database,
        commit: GroupCommit,
        agent: Agent,
        claim: Claim,
        lease: Lease,
        term: int,
        threads: Executor,
        spool: Spool | None = None,
    ) -> None:
        self.claim = claim
        self._db = db
        self._agent = agent
        self._control = RunControl()
        self._draining = False
        self._interrupted = False
        self._threads = threads
        self._progress = Progress(claim.limits.repeats)
        self._taint = Taint(claim.input)
        self._made = CallsMade()
        self._outbox = Outbox(
            commit, claim.hold, claim.usage.steps, self._made, partial(lease.is_good, term)
        )
        self._replies = Replies(
            claim.hold,
            self._outbox,
            Spending(commit, self._outbox, claim.hold, agent.prices, self._stop, self._halt),
            self._calls_around,
        )
        self._stated = Stated(claim.hold, self._outbox)
        self.gate = RunGate(
            Means(
                db=db,
                agent=agent,
                claim=claim,
                lease=lease,
                term=term,
                outbox=self._outbox,
                made=self._made,
                replies=self._replies,
                progress=self._progress,
                taint=self._taint,
                threads=threads,
                spool=spool,
            )
        )
        self._saver = StepSaver(
            commit,
            claim.hold.tenant,
            outbox=self._outbox,
            is_first=claim.hold.epoch == 1,
            watch=self,
        )

    def drain(self) -> None:
        """Ask the graph to stop after the step it is in."""
        self._draining = True
        self._control.request_drain("shutdown")

    async def run(self) -> Ending:
        """Go on with the run; errors of the graph become its end, errors of the database do not."""
        walk = asyncio.create_task(self._walk())
        loop = asyncio.get_running_loop()
        self.gate.when_stopped(lambda: _soon(loop, walk.cancel))
        left = self.claim.limits.seconds - self.claim.usage.active_ms / 1000
        alarms = [
            loop.call_later(max(left, 0), self._time_is_up, "seconds"),
            loop.call_later(max(self.claim.wall_left, 0), self._time_is_up, "wall_seconds"),
        ]
        try:
            ending = await self._ending_of(walk)
        finally:
            for alarm in alarms:
                alarm.cancel()
            await loop.run_in_executor(self._threads, self.gate.settle, _GRACE)
            self._replies.write_down()
            await self._outbox.close()
        return _stopped(self.gate.stop) if self.gate.stop else ending

    def _stop(self) -> Stop | None:
        return self.gate.stop

    def _halt(self, stop: Stop) -> None:
        self.gate.halt(stop)

    def _calls_around(self, call_id: UUID) -> list[Call]:
        return self.gate.calls_around(call_id)

    def step_read(self, ns: str, metadata: Mapping[str, Any]) -> None:
        """Go on counting what came of nothing from where the run was."""
        self._progress.recall(ns, metadata)

    def step_stored(self, ns: str) -> None:
        """Forget the replies that a step holds the outcome of."""
        self._replies.step_stored(ns)

    def step_done(self, ns: str, after: str | None) -> Mapping[str, Any]:
        """One more step, if there is one left and the run goes on."""
        allowed = self.claim.limits.steps
        if self.gate.stop is None and not self._outbox.count_step(allowed):
            self.gate.halt(LimitReached("steps", allowed, "it was stopped where it was."))
        if self._progress.step(ns, after) and self.gate.stop is None:
            self.gate.halt(Ambiguous(_STALLED.format(self._progress.rounds)))
        if self.gate.stop is not None:
            raise RunStopped(str(self.gate.stop))
        return self._progress.stored(ns)

    def _time_is_up(self, limit: str) -> None:
        allowed = getattr(self.claim.limits, limit)
        self.gate.halt(LimitReached(limit, allowed, "it was stopped where it was."))

    async def _walk(self) -> Ending:
        current_gate.set(self.gate)
        self._replies.fallback = self._agent.model_to_fall_back_to(self.claim.fallback)
        current_replies.set(self._replies)
        current_stated.set(self._stated)
        saver = self._saver.with_allowlist(self._agent.types)
        graph: Any = self._agent.compiled.copy({"checkpointer": saver})
        config: Any = {"configurable": {"thread_id": str(self.claim.hold.run_id)}}
        left = self.claim.limits.steps - self.claim.usage.steps
        begun, output = False, None
        if self.claim.hold.epoch > 1:
            state, _ = await asyncio.gather(graph.aget_state(config), self._recall())
            begun = state.metadata is not None
            # not `next`: that leaves out tasks which are done and whose step was not yet written
            if begun and not state.tasks:
                return Ended(Exit.COMPLETED, "The graph ended.", as_json(state.values))
        if left < 1:
            return self._out_of_steps()
        stream = graph.astream(
            None if begun else self.claim.input,
            {**config, "recursion_limit": left},
            stream_mode="values",
            durability="sync",
            control=self._control,
        )
        try:
            async for state in stream:
                output = state
        except GraphRecursionError:
            # LangGraph counts before it looks whether anything is left to do
            if (await graph.aget_state(config)).tasks:
                return self._out_of_steps()
        return await self._after(graph, config, output)

    def task_done(
        self, ns: str, after: str, task_id: str, writes: Sequence[tuple[str, Any]]
    ) -> None:
        """Refuse the result of a task that returned although one of its calls waits."""
        wrote = [channel for channel, _ in writes]
        self._interrupted = self._interrupted or INTERRUPT in wrote
        if self.gate.parked.get(task_id) and not _INTERRUPTED.intersection(wrote):
            swallowed = Swallowed(
                f"Node '{self.gate.nodes[task_id]}' went on although a call of it waits for a "
                "person: it catches every exception around a tool. Let GraphInterrupt pass. "
                "The call did not run."
            )
            self.gate.halt(swallowed)
            raise RunStopped(str(swallowed))
        if any(channel not in WRITES_IDX_MAP for channel in wrote):
            self._replies.task_done(task_id)
        if not _INTERRUPTED.intersection(wrote):
            self._progress.wrote(ns, after, writes)
            self._stated.task_done(task_id)

    async def _after(self, graph: Any, config: Any, output: Any) -> Ending:
        await self._outbox.flush()
        # a graph that stopped early says so: by an interrupt, a breakpoint or an error
        if not (self._interrupted or self._agent.has_breakpoints):
            return Ended(Exit.COMPLETED, "The graph ended.", as_json(output))
        state = await graph.aget_state(config)
        if not state.tasks:
            return Ended(Exit.COMPLETED, "The graph ended.", as_json(output))
        if any(self.gate.parked.values()):
            return Parked()
        where = ", ".join(task.name for task in state.tasks)
        return Ended(
            Exit.FAILED,
            f"The graph stopped before {where} without a call that waits: an interrupt of its own "
            "has nobody to answer it here.",
        )

    async def _ending_of(self, walk: asyncio.Task[Ending]) -> Ending:
        try:
            return await walk
        except asyncio.CancelledError:
            return Released("The execution was cancelled.")
        except (RunStopped, Fenced) as stopped:
            return Released(str(stopped))
        except DatabaseLost as error:
            log.warning("execution.database_lost", error=str(error))
            return Released("The database was lost.", delay=0.5)
        except BaseException as error:
            if isinstance(error, GraphDrained) and self._draining:
                return Released(str(error))
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            log.exception("execution.failed")
            return Ended(Exit.FAILED, said(error))

    async def _recall(self) -> None:
        def recall(conn: Connection) -> None:
            self._made.recall(conn, self.claim.hold)
            self._replies.recall(conn)
            untrusted = [spec.name for spec in self._agent.specs if spec.untrusted]
            self._taint.recall(conn, self.claim.hold, untrusted)

        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._db.retry, recall)

    def _out_of_steps(self) -> Ending:
        reached = LimitReached("steps", self.claim.limits.steps, "the next step was not taken.")
        return Ended(Exit.LIMIT_REACHED, str(reached), reached=reached)


def _soon(loop: asyncio.AbstractEventLoop, act: Callable[[], object]) -> None:
    loop.call_soon_threadsafe(act)


def _stopped(stop: Stop) -> Ending:
    match stop:
        case LimitReached():
            raisable = stop if stop.is_of_the_run else None
            return Ended(Exit.LIMIT_REACHED, str(stop), reached=raisable)
        case Ambiguous() | CancelRequested() | RejectedInARow():
            return Ended(_EXITS[type(stop)], str(stop))
        case DatabaseLost():
            log.warning("execution.database_lost", error=str(stop))
            return Released(str(stop), delay=1.0)
        case Postponed():
            is_full = isinstance(stop, NoRoom)
            return Released(str(stop), delay=stop.seconds, wants_room=is_full)
        case Fenced():
            return Released(str(stop))
        case Swallowed() | NotRecorded():
            return Ended(Exit.FAILED, str(stop))


def as_json(value: Any) -> Any:
    """A graph's state as plain JSON: messages as type and content, the rest as well as it goes."""
    return to_jsonable_python(value, fallback=_plain, serialize_unknown=True, inf_nan_mode="null")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseMessage):
        return {"type": value.type, "content": value.content}
    return json.loads(dumps(value))
