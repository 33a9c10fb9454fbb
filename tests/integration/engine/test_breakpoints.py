"""A graph that stopped at a breakpoint of its own has not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import pytest
from interlock import Agent
from langgraph.graph import END, START, StateGraph

if TYPE_CHECKING:
    from conftest import Lab


class Said(TypedDict, total=False):
    """What was said."""

    said: str


def chain(*names: str, **nodes: Any) -> StateGraph[Any]:
    graph = StateGraph(Said)
    for name in names:
        graph.add_node(name, nodes.get(name, lambda _, name=name: {"said": name}))
    for before, after in zip((START, *names), (*names, END), strict=True):
        graph.add_edge(before, after)
    return graph


@pytest.mark.parametrize("where", ["outer", "inner"])
def test_a_run_that_stops_at_a_breakpoint_is_not_completed(lab: Lab, where: str) -> None:
    inner = chain("one", "two").compile(interrupt_before=["two"] if where == "inner" else [])
    outer = chain("sub", "after", sub=inner)
    graph = outer.compile(interrupt_before=["after"]) if where == "outer" else outer
    agent = Agent("stopping", graph=graph, tools=[])
    lab.work(agent)
    ended = lab.ended(lab.start(agent, {"said": "go"}))
    assert ended["exit"] == "failed"
    assert "nobody to answer it" in ended["exit_reason"]
