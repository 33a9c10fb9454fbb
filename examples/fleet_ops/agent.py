"""The fleet-ops agent: a ReAct loop whose tools pass Interlock's gate.

`interlock demo` runs it in a world made for it. With another policy or other limits, this file is
where they go.
"""

from __future__ import annotations

import os
from typing import Any

from interlock import FREE, Agent, Limits
from interlock.examples.models import SCRIPTED
from langchain_core.messages import SystemMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send

from .model import choose_model
from .rental_data import TODAY
from .tools import TOOLS

ROLE = SystemMessage(
    "You run fleet operations of Harbourline Rentals, a car-rental company. Today is"
    f" {TODAY:%d %B %Y}. Use the tools, one call at a time. When a call is refused, read the reason"
    " and find another way, or stop and say what you could not do."
)


def build_graph() -> StateGraph[MessagesState, None, MessagesState, MessagesState]:
    """Ask the model, run the calls it makes, and again, until it makes none."""
    model = choose_model(os.environ.get("FLEET_OPS_MODEL")).bind_tools(TOOLS)

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke([ROLE, *state["messages"]])]}

    def each_call(state: MessagesState) -> list[Send] | str:
        """One task for each call, so that calls made at once are decided each on its own."""
        calls = getattr(state["messages"][-1], "tool_calls", [])
        return [Send("act", [call]) for call in calls] or END

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("act", ToolNode(TOOLS))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", each_call, ["act", END])
    graph.add_edge("act", "think")
    return graph


agent = Agent(
    "fleet-ops",
    graph=build_graph,
    tools=TOOLS,
    limits=Limits(steps=60, calls=40, seconds=300, repeats=3),
    prices={SCRIPTED: FREE},
)
