"""A run that goes round in circles ends as ambiguous; a long one that gets somewhere does not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from interlock import Agent, Limits, react_agent, tool
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph

sys.path.insert(0, str(Path(__file__).parent))
from graphs import ask
from models import PRICES, Playing

if TYPE_CHECKING:
    from conftest import Lab

HELLO = {"messages": [{"role": "user", "content": "go"}]}
WIDE = Limits(steps=1000, calls=500, repeats=3, tokens_in=10**9, tokens_out=10**9)


class Ball(TypedDict, total=False):
    """A state that two nodes throw to and fro."""

    at: str


def looker(lab: Lab) -> Any:
    """A read that finds nothing."""

    @tool(effect="read")
    def look(at: str) -> str:
        """Look."""
        lab.effects.append(at)
        return "nothing"

    return look


def looking(lab: Lab, at: Any, turns: int = 10_000, limits: Limits = WIDE) -> Agent:
    """A ReAct agent that looks at `at(turn)`, so many times."""
    look = looker(lab)

    def play(turn: int, _: Any) -> AIMessage:
        if turn >= turns:
            return AIMessage("done")
        return AIMessage("", tool_calls=[ask("look", {"at": at(turn)}, f"c{turn}")])

    return Agent(
        "a",
        graph=react_agent(Playing(play=play), [look]),
        tools=[look],
        limits=limits,
        prices=PRICES,
    )


def test_the_same_call_with_the_same_result_ends_within_three(lab: Lab) -> None:
    agent = looking(lab, lambda _: "v1")
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.effects == ["v1"] * 3
    assert lab.run(run_id)["exit_reason"].startswith("The run makes no progress")


def test_two_calls_in_turn_end_within_three_rounds(lab: Lab) -> None:
    agent = looking(lab, lambda turn: "ab"[turn % 2])
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.effects == ["a", "b"] * 3


def test_two_states_in_turn_end_within_three_rounds(lab: Lab) -> None:
    def throw(to: str) -> Any:
        def node(_: Ball) -> Ball:
            lab.effects.append(to)
            return {"at": to}

        return node

    graph = StateGraph(Ball)
    graph.add_node("left", throw("right"))
    graph.add_node("right", throw("left"))
    graph.add_edge(START, "left")
    graph.add_edge("left", "right")
    graph.add_conditional_edges("right", lambda _: "left", ["left", END])
    agent = Agent("a", graph=graph, tools=[], limits=WIDE)
    lab.work(agent)
    run_id = lab.start(agent)
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.effects == [*(["right", "left"] * 3), "right"]


def test_two_hundred_different_steps_are_no_circle(lab: Lab) -> None:
    agent = looking(lab, lambda turn: f"v{turn}", turns=100)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["used_steps"] == 201
    assert len(lab.effects) == 100


def test_a_crash_in_between_does_not_begin_the_count_anew(lab: Lab) -> None:
    """Each round waits for a person, so that each is an execution of its own."""

    @tool(effect="irreversible")
    def nudge(at: str) -> str:
        """Nudge."""
        lab.effects.append(at)
        return "nothing"

    def play(turn: int, _: Any) -> AIMessage:
        return AIMessage("", tool_calls=[ask("nudge", {"at": "v1"}, f"c{turn}")])

    graph = react_agent(Playing(play=play), [nudge])
    agent = Agent("a", graph=graph, tools=[nudge], limits=WIDE, prices=PRICES)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    for _ in range(3):
        lab.decide(lab.pending(run_id)[0])
        lab.until(lambda: lab.one("select count(*) from approvals where state = 'pending'") == 0)
    assert lab.ended(run_id)["exit"] == "ambiguous"
    assert lab.effects == ["v1"] * 3


def test_more_repeats_allow_more_rounds(lab: Lab) -> None:
    limits = Limits(steps=100, calls=50, repeats=6)
    agent = looking(lab, lambda _: "v1", turns=5, limits=limits)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.effects == ["v1"] * 5


def test_a_model_that_gives_up_after_three_tries_is_heard(lab: Lab) -> None:
    agent = looking(lab, lambda _: "v1", turns=3)
    lab.work(agent)
    run_id = lab.start(agent, HELLO)
    assert lab.ended(run_id)["exit"] == "completed"
    assert lab.run(run_id)["output"]["messages"][-1]["content"] == "done"
