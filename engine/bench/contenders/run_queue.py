"""Interlock's queue: the runs' own rows."""

from __future__ import annotations

import asyncio
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from uuid_utils.compat import uuid7

from ... import runs as queue
from ...agent import Agent
from ...database import Database
from ...group_commit import GroupCommit, Unit
from ...lease import Lease
from ...lifecycle import Exit
from ...schema import migrate
from ..readings import Batch
from .contender import Contender
from .patience import IDLE, PATIENCE, NotMeasured
from .work import TENANT, ample, ask_for, make_known, wait_for, working

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from ...group_commit import Answer
    from ...runs import Claim

LEASE_SECONDS = 15.0


class Number(TypedDict):
    """The state of the smallest graph."""

    number: int


class RunQueue(Contender):
    """Runs that do nothing."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        db = Database(url)
        migrate(db)
        self._begun: SimpleQueue[float] = SimpleQueue()
        self._agent = Agent("empty", graph=self._graph(), tools=[], limits=ample())
        make_known(db, self._agent)
        db.close()

    def _graph(self) -> StateGraph[Any, Any, Any, Any]:
        async def note(state: Number) -> Number:
            self._begun.put(time.perf_counter())
            return state

        graph = StateGraph(Number)
        graph.add_node("note", note)
        graph.add_edge(START, "note")
        graph.add_edge("note", END)
        return graph

    def batch(self, *, jobs: int, slots: int) -> Batch:
        """Create the runs, then claim and end them as a worker does, but for the graph."""
        db = Database(self.url)
        try:
            began = time.perf_counter()
            for number in range(jobs):
                ask_for(db, self._agent, {"number": number})
            enqueued = time.perf_counter()
            worker_id: UUID = uuid7()
            lease = Lease(db, worker_id, LEASE_SECONDS)
            lease.start([self._agent.fingerprint])
            agents = {self._agent.name: self._agent.fingerprint}
            claimed = time.perf_counter()
            done = asyncio.run(_claim_and_end(self.url, worker_id, agents, slots))
            ended = time.perf_counter()
            lease.stop()
        finally:
            db.close()
        if done != jobs:
            raise NotMeasured(f"{done} of {jobs} runs were claimed.")
        return Batch(jobs, enqueue_seconds=enqueued - began, process_seconds=ended - claimed)

    def starts(self, *, count: int) -> list[float]:
        """From asking for a run to the first line of its first node."""
        db = Database(self.url)
        waited = []
        try:
            with working(db, [self._agent], concurrency=8) as work:
                # the first one opens connections
                for number in range(count + 1):
                    began = time.perf_counter()
                    run_id = ask_for(db, self._agent, {"number": number})
                    waited.append((self._begun.get(timeout=PATIENCE) - began) * 1000)
                    wait_for(db, [run_id], "ended", [work])
                    time.sleep(IDLE)
        finally:
            db.close()
        return waited[1:]


async def _claim_and_end(url: str, worker_id: UUID, agents: Mapping[str, str], slots: int) -> int:
    """Claim what there are slots for, and end each run with whatever else ends by then."""
    done = 0
    in_hand: set[asyncio.Future[Answer]] = set()
    async with GroupCommit(url, threads=1) as commit:
        while True:
            free = slots - len(in_hand)
            query = queue.claiming(tenant=TENANT, worker_id=worker_id, agents=agents, free=free)
            claims = queue.claimed(await commit.ask(query), worker_id)
            in_hand |= {commit.submit(_end(claim)) for claim in claims}
            if not in_hand:
                return done
            ended, in_hand = await asyncio.wait(in_hand, return_when=asyncio.FIRST_COMPLETED)
            done += sum(one.result().free == ["written"] for one in ended)


def _end(claim: Claim) -> Unit:
    write = queue.ending(claim.hold, exit=Exit.COMPLETED, reason="There was nothing to do.")
    return Unit(None, free=(write,))
