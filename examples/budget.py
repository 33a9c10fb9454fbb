"""A ReAct agent that would make 47 tool calls for 2.40 USD, and has 0.12 USD to spend.

    interlock run budget.py:agent --input '{"messages": [["user", "Which page names the owner?"]]}'

Each reply costs 0.05 USD. Two are bought; the third could pass the limit and is not asked for: the
run ends as `limit_reached` at 0.10 USD, and a person may raise the limit. With
EXAMPLE_MODEL=provider:name a real model reads.
"""

from __future__ import annotations

import os

from interlock import Agent, Limits, Price, react_agent, tool
from interlock.examples.models import SCRIPTED, Scripted, choose
from langchain_core.messages import AIMessage, BaseMessage, ToolCall

PAGES = 47
HANDBOOK = "A page names an owner if the word stands in its first line. " * 400
"""24 kB, sent with every prompt: 8,000 tokens."""


@tool(effect="read")
def read_page(number: int) -> str:
    """The text of a page."""
    return f"Page {number} names nobody."


def read_on(messages: list[BaseMessage]) -> AIMessage:
    """The script: one page after the other, and then the answer."""
    read = sum(1 for message in messages if message.type == "ai")
    usage = {"input_tokens": 8_000, "output_tokens": 400, "total_tokens": 8_400}
    if read == PAGES:
        return AIMessage("No page names the owner.", usage_metadata=usage)
    call = ToolCall(name="read_page", args={"number": read}, id=f"call-{read}")
    return AIMessage("", tool_calls=[call], usage_metadata=usage)


agent = Agent(
    "reader",
    graph=lambda: react_agent(
        choose(os.environ.get("EXAMPLE_MODEL"), Scripted(play=read_on, max_tokens=400)),
        [read_page],
        prompt=HANDBOOK,
    ),
    tools=[read_page],
    limits=Limits(steps=200, calls=50, cost_usd=0.12),
    prices={SCRIPTED: Price(input=5, output=25)},
)
