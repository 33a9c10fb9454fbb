"""Agents for the tests of the command line: one for each way a run can go."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypedDict

from interlock import Agent, tool
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    """One volume, and what became of it."""

    volume: str
    answer: Any


@tool(effect="read")
def look(volume: str) -> str:
    """Look at a volume."""
    return f"{volume} is there"


@tool(effect="read")
def stare(volume: str) -> str:
    """Look at a volume for four seconds."""
    Path("staring").touch()
    time.sleep(4)
    return f"{volume} is there"


@tool(effect="irreversible", headline=lambda volume: f"Delete {volume}")
def delete(volume: str) -> str:
    """Delete a volume."""
    with Path("deleted").open("a", encoding="utf-8") as file:
        file.write(f"{volume}\n")
    return f"{volume} is gone"


def one_call(of: Any) -> Any:
    """A graph that calls one tool on its volume."""

    def use(state: State) -> State:
        return {"answer": of.invoke({"volume": state["volume"]})}

    return StateGraph(State).add_node("use", use).add_edge(START, "use").add_edge("use", END)


def broken(_: State) -> State:
    """A node with a mistake in it."""
    raise RuntimeError("the node has a mistake")


looker = Agent("looker", graph=one_call(look), tools=[look])
starer = Agent("starer", graph=one_call(stare), tools=[stare])
deleter = Agent("deleter", graph=one_call(delete), tools=[delete])
failing = Agent(
    "failing",
    graph=StateGraph(State).add_node("use", broken).add_edge(START, "use").add_edge("use", END),
    tools=[],
)
nothing = "not an agent"
