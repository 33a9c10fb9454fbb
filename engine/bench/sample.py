"""An agent for a worker whose start-up is measured."""

from __future__ import annotations

from ...tools.decorator import tool
from ..agent import Agent
from .workload import TOOL, Marks, body, react_loop

_look = tool(name=TOOL, effect="read")(body(size=1))

agent = Agent(
    "sample",
    graph=react_loop(steps=2, size=1, tools={TOOL: _look}, marks=Marks()),
    tools=[_look],
)
