"""A run has so many steps, those of inner graphs included, and stores no more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from integration.saver.loops import Looped, loop
from interlock import Agent, Limits
from langgraph.graph import START, StateGraph

if TYPE_CHECKING:
    from integration.engine.conftest import Lab

INPUT: dict[str, Any] = {"messages": [], "n": 0}
DONE = "select count(*) from steps where run_id = %s and metadata ->> 'source' = 'loop'"


def nested(rounds: int) -> StateGraph[Any]:
    """Two nodes that each go round inside."""

    def inner(state: Looped) -> Any:
        return {"n": played.invoke({**state, "n": 0})["n"]}

    played = loop(rounds).compile()
    graph = StateGraph(Looped)
    for name in ("first", "second"):
        graph.add_node(name, inner)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    return graph


def steps_of(lab: Lab, run_id: Any) -> int:
    """Finished supersteps that are stored, of all graphs of the run."""
    return lab.one(f"{DONE} and (metadata ->> 'step')::int >= 1", run_id)


@pytest.mark.parametrize("limit", [1, 5])
def test_a_run_stops_at_its_limit_and_stores_no_step_beyond_it(lab: Lab, limit: int) -> None:
    agent = Agent("a", graph=loop(20), tools=[], limits=Limits(steps=limit))
    lab.work(agent)
    run = lab.ended(lab.start(agent, INPUT))
    assert run["exit"] == "limit_reached"
    assert f"its limit of {limit} steps" in run["exit_reason"]
    assert (run["used_steps"], steps_of(lab, run["id"])) == (limit, limit)


def test_a_run_stops_in_an_inner_graph_at_the_limit_of_all_its_steps(lab: Lab) -> None:
    """No graph of it comes to the limit by itself."""
    agent = Agent("a", graph=nested(4), tools=[], limits=Limits(steps=7))
    lab.work(agent)
    run = lab.ended(lab.start(agent, INPUT))
    assert run["exit"] == "limit_reached"
    assert "its limit of 7 steps" in run["exit_reason"]
    assert (run["used_steps"], steps_of(lab, run["id"])) == (7, 7)


@pytest.mark.parametrize(
    ("graph", "steps"), [(loop(5), 5), (nested(4), 10)], ids=["flat", "nested"]
)
def test_a_run_that_needs_all_its_steps_completes(
    lab: Lab, graph: StateGraph[Any], steps: int
) -> None:
    agent = Agent("a", graph=graph, tools=[], limits=Limits(steps=steps))
    lab.work(agent)
    run = lab.ended(lab.start(agent, INPUT))
    assert (run["exit"], run["used_steps"], steps_of(lab, run["id"])) == (
        "completed",
        steps,
        steps,
    )
