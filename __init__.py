"""Interlock: agents run at full speed, and nothing irreversible runs without a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine import strict as _strict  # noqa: F401 - before anything imports langgraph
from .tools.late import late

if TYPE_CHECKING:
    from .engine.agent import Agent
    from .engine.breaker import Breaker
    from .engine.client import Client
    from .engine.limits import Limits
    from .engine.patterns import Assessment, aggregate, chain, fan_out, react_agent
    from .engine.prices import FREE, Price
    from .tools import gate, tool
    from .tools.questions import ask_human

__all__ = [
    "FREE",
    "Agent",
    "Assessment",
    "Breaker",
    "Client",
    "Limits",
    "Price",
    "aggregate",
    "ask_human",
    "chain",
    "fan_out",
    "gate",
    "react_agent",
    "tool",
]

_PATTERNS = ("Assessment", "aggregate", "chain", "fan_out", "react_agent")

__getattr__ = late(
    __name__,
    {
        "Agent": ".engine.agent",
        "Breaker": ".engine.breaker",
        "Client": ".engine.client",
        "Limits": ".engine.limits",
        **dict.fromkeys(("FREE", "Price"), ".engine.prices"),
        "ask_human": ".tools.questions",
        "gate": ".tools",
        "tool": ".tools",
        **dict.fromkeys(_PATTERNS, ".engine.patterns"),
    },
)
