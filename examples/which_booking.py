"""An agent that asks instead of guessing: two bookings fit, and only one is to be moved.

    interlock run which_booking.py:agent --input '{"name": "Okafor"}'

Nobody answers in a day: the run ends as `ambiguous`, and no booking was moved.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from interlock import Agent, ask_human, tool
from langgraph.graph import END, START, StateGraph

BOOKINGS = {"RB-20418": "Okafor, 12 May", "RB-20420": "Okafor, 12 May", "RB-20431": "Lind, 3 June"}
"""Whose they are, and when."""


class State(TypedDict, total=False):
    """What is asked for, and what came of it."""

    name: str
    chosen: str
    answered_by: str | None


@tool(effect="read")
def find_bookings(name: str) -> list[str]:
    """The bookings of a person."""
    return [booking for booking, whose in BOOKINGS.items() if whose.startswith(name)]


async def choose(state: State) -> State:
    """The one that fits; where several do, a person says which."""
    found = await find_bookings.ainvoke({"name": state["name"]})
    if len(found) == 1:
        return {"chosen": found[0], "answered_by": None}
    question = f"Which of the bookings of {state['name']} is to be moved?"
    said = await ask_human.ainvoke({"question": question, "options": found, "confidence": 0.5})
    return {"chosen": said["answer"], "answered_by": said["answered_by"]}


graph = StateGraph(State)
graph.add_node("choose", choose)
graph.add_edge(START, "choose")
graph.add_edge("choose", END)
agent = Agent(
    "which-booking",
    graph=graph,
    tools=[find_bookings, ask_human],
    answer_within=timedelta(days=1),
)
