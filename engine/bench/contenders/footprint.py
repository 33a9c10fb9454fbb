"""What runs cost in memory: those that stand in a tool, and those that wait for a person."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any, TypedDict

import psutil
from langgraph.graph import END, START, StateGraph

from ....tools.decorator import tool
from ...agent import Agent
from ...database import Database
from ...schema import migrate
from ..readings import Footprint
from .contender import Contender
from .patience import until
from .work import ample, ask_for, make_known, wait_for, working

if TYPE_CHECKING:
    from concurrent.futures import Future
    from uuid import UUID

    from ....tools import GatedTool

LOOK = 0.05
"""Seconds between two looks of a standing tool at whether it may go on."""


class Number(TypedDict):
    """The state of the smallest graph."""

    number: int


class Standing(Contender):
    """Runs of one call: a read that stands until it is let go, or a send that waits."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._let_go = threading.Event()
        self._inside: set[int] = set()
        db = Database(url)
        migrate(db)
        self._stander = single("stander", self._stand())
        self._sender = single("sender", send())
        make_known(db, self._stander, self._sender)
        db.close()

    def _stand(self) -> GatedTool:
        @tool(effect="read")
        async def stand(number: int) -> str:
            """Stand still."""
            self._inside.add(number)
            # let go from another thread, so that an event of asyncio would not do
            while not self._let_go.is_set():  # noqa: ASYNC110
                await asyncio.sleep(LOOK)
            return "done"

        return stand

    def footprint(self, *, runs: int) -> Footprint:
        """As many runs of each kind came and went before, so that what stays is there already."""
        db = Database(self.url)
        try:
            agents = [self._stander, self._sender]
            with working(db, agents, concurrency=runs) as work:
                self._active(db, runs, work)
                active = self._active(db, runs, work)
                self._waiting(db, runs, work)
                waiting = self._waiting(db, runs, work)
        finally:
            db.close()
        return Footprint(per_active_run=active, per_waiting_run=waiting)

    def _active(self, db: Database, runs: int, work: Future[None]) -> float:
        self._let_go.clear()
        self._inside.clear()
        before = _resident()
        ids = self._ask(db, self._stander, runs)
        until(lambda: len(self._inside) == runs, f"{runs} runs should stand", needs=[work])
        grown = _resident() - before
        self._let_go.set()
        wait_for(db, ids, "ended", [work])
        return grown / runs

    def _waiting(self, db: Database, runs: int, work: Future[None]) -> float:
        before = _resident()
        wait_for(db, self._ask(db, self._sender, runs), "waiting", [work])
        return (_resident() - before) / runs

    def _ask(self, db: Database, agent: Agent, runs: int) -> list[UUID]:
        return [ask_for(db, agent, {"number": number}) for number in range(runs)]


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def send() -> GatedTool:
    """A call that waits for a person."""

    @tool(effect="irreversible")
    async def send(number: int) -> str:
        """Send a number out of the house."""
        return f"{number} is gone"

    return send


def single(name: str, called: GatedTool) -> Agent:
    """An agent whose runs make this one call."""

    async def act(state: Number) -> Number:
        await called.ainvoke({"number": state["number"]})
        return state

    graph: StateGraph[Any, Any, Any, Any] = StateGraph(Number)
    graph.add_node("act", act)
    graph.add_edge(START, "act")
    graph.add_edge("act", END)
    return Agent(name, graph=graph, tools=[called], limits=ample())
