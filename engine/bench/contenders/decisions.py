"""From a person's decision to the tool it was about."""

from __future__ import annotations

import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from ....tools.decorator import tool
from ...agent import Agent
from ...database import Database
from ...schema import migrate
from .contender import Contender
from .patience import IDLE, PATIENCE
from .work import add_person, ample, approve, ask_for, make_known, pending, wait_for, working

if TYPE_CHECKING:
    from ....tools import GatedTool

SLOTS = 8


class Number(TypedDict):
    """The state of the smallest graph."""

    number: int


class Decisions(Contender):
    """Runs of one irreversible call, all parked before the first decision."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        db = Database(url)
        migrate(db)
        add_person(db)
        self._begun: SimpleQueue[float] = SimpleQueue()
        send = self._tool()
        self._agent = Agent("sender", graph=_graph(send), tools=[send], limits=ample())
        make_known(db, self._agent)
        db.close()

    def _tool(self) -> GatedTool:
        @tool(effect="irreversible")
        async def send(number: int) -> str:
            """Send a number out of the house."""
            self._begun.put(time.perf_counter())
            return f"{number} is gone"

        return send

    def resumes(self, *, count: int) -> list[float]:
        """From the moment the decision is handed in, so that recording it is included."""
        db = Database(self.url)
        waited = []
        try:
            with working(db, [self._agent], concurrency=SLOTS) as work:
                # the first one opens connections
                ids = [ask_for(db, self._agent, {"number": each}) for each in range(count + 1)]
                wait_for(db, ids, "waiting", [work])
                for asked in pending(db):
                    began = time.perf_counter()
                    approve(db, asked)
                    waited.append((self._begun.get(timeout=PATIENCE) - began) * 1000)
                    time.sleep(IDLE)
                wait_for(db, ids, "ended", [work])
        finally:
            db.close()
        return waited[1:]


def _graph(send: GatedTool) -> StateGraph[Any, Any, Any, Any]:
    async def act(state: Number) -> Number:
        await send.ainvoke({"number": state["number"]})
        return state

    graph = StateGraph(Number)
    graph.add_node("act", act)
    graph.add_edge(START, "act")
    graph.add_edge("act", END)
    return graph
