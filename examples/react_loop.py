"""A ReAct agent that looks for a flight that does not exist, and is stopped.

    interlock run react_loop.py:agent --input '{"messages": [["user", "When does HB 249 land?"]]}'

The script tries one spelling after the other, for ever: at its eighth call the run ends as
`limit_reached`. Ask "again" and it repeats itself instead, and the run ends as `ambiguous` after
three rounds. With EXAMPLE_MODEL=provider:name a real model tries.
"""

from __future__ import annotations

import os

from interlock import FREE, Agent, Limits, react_agent, tool
from interlock.examples.models import SCRIPTED, Scripted, choose
from langchain_core.messages import AIMessage, BaseMessage, ToolCall


@tool(effect="read")
def find_flight(number: str) -> str:
    """When a flight lands."""
    return f"There is no flight {number}."


def keep_looking(messages: list[BaseMessage]) -> AIMessage:
    """The script: it has tried so many times, and tries once more."""
    tried = sum(1 for message in messages if message.type == "ai")
    number = "HB 249" if "again" in messages[0].text else f"HB {249 + tried}"
    call = ToolCall(name="find_flight", args={"number": number}, id=f"call-{tried}")
    return AIMessage("", tool_calls=[call])


agent = Agent(
    "flights",
    graph=lambda: react_agent(
        choose(os.environ.get("EXAMPLE_MODEL"), Scripted(play=keep_looking)), [find_flight]
    ),
    tools=[find_flight],
    limits=Limits(steps=60, calls=8, repeats=3),
    prices={SCRIPTED: FREE},
)
