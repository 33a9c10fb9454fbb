"""An agent in twenty lines: it looks by itself, and asks before money leaves."""

from typing import TypedDict

from interlock import Agent, tool
from langgraph.graph import END, START, StateGraph

BOOKINGS = {"RB-20418": "€412.00", "RB-20311": "€164.00"}


class State(TypedDict, total=False):
    booking: str
    answer: str


@tool(effect="read")
def find_booking(booking: str) -> str | None:
    """What was paid for a booking."""
    return BOOKINGS.get(booking)


@tool(effect="irreversible", headline=lambda booking, amount: f"Refund {amount} for {booking}")
def refund(booking: str, amount: str) -> str:
    """Pay a booking back."""
    return f"{amount} paid back for {booking}"


def work(state: State) -> State:
    """Find the booking, and refund it."""
    amount = find_booking.invoke({"booking": state["booking"]})
    if amount is None:
        return {"answer": "There is no such booking."}
    return {"answer": refund.invoke({"booking": state["booking"], "amount": amount})}


graph = StateGraph(State)
graph.add_node("work", work)
graph.add_edge(START, "work")
graph.add_edge("work", END)

agent = Agent("bookings", graph=graph, tools=[find_booking, refund])
