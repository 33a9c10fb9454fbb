"""A graph's state keeps its own types: across a wait, and when its history is taken away."""

from __future__ import annotations

import dataclasses
import operator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from interlock import Agent, tool
from interlock.engine.group_commit import GroupCommit
from interlock.engine.lifecycle import Exit
from interlock.engine.retention import Retention, prune
from interlock.engine.saver import StepSaver
from langgraph.graph import END, START, StateGraph

if TYPE_CHECKING:
    from conftest import Lab


@dataclasses.dataclass
class Item:
    """Something of the graph's own."""

    name: str


class Items(TypedDict, total=False):
    """A list of them."""

    items: Annotated[list[Item], operator.add]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_that_waited_finds_its_own_types(lab: Lab, *, compiled: bool) -> None:
    @tool(effect="irreversible")
    async def wipe(at: str) -> str:
        """Wipe."""
        return "wiped"

    async def use(state: Items) -> Any:
        lab.effects.append(type(state["items"][0]).__name__)
        await wipe.ainvoke({"at": "v"})
        return {}

    graph = StateGraph(Items)
    graph.add_node("make", lambda _: {"items": [Item("x")]})
    graph.add_node("use", use)
    graph.add_edge(START, "make")
    graph.add_edge("make", "use")
    graph.add_edge("use", END)
    agent = Agent("typed", graph=graph.compile() if compiled else graph, tools=[wipe])
    lab.work(agent)
    run_id = lab.start(agent, {"items": []})
    lab.decide(lab.pending(run_id)[0])
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["Item", "Item"]


def test_pruning_leaves_a_graphs_own_types_as_they_are(lab: Lab) -> None:
    graph = StateGraph(Items)
    names = ("one", "two", "three")
    for name in names:
        graph.add_node(name, lambda _, name=name: {"items": [Item(name)]})
    for before, after in zip((START, *names), (*names, END), strict=True):
        graph.add_edge(before, after)
    agent = Agent("typed", graph=graph, tools=[])
    lab.work(agent)
    run_id = lab.start(agent, {"items": []})
    lab.ended(run_id)

    def items() -> Any:
        config: Any = {"configurable": {"thread_id": str(run_id)}}
        with GroupCommit(lab.database.url, threads=1) as commit:
            app = graph.compile(checkpointer=StepSaver(commit, "default"))
            return app.get_state(config).values["items"]

    before = items()
    assert before == [Item(name) for name in names]
    every = Retention(list(Exit), timedelta(), keep_latest=True)
    assert prune(lab.database, every, tenant="default", by="operator:tests").steps > 0
    assert items() == before
