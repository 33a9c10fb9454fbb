"""The contenders. Each is imported when it is asked for: it may need packages that are not here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..system import System

HOMES = {
    "interlock": "interlock_engine:Interlock",
    "langgraph interrupt()": "langgraph_interrupt:LangGraphInterrupt",
    "langchain HITL (batched)": "langchain_hitl:BatchedMiddleware",
    "langchain HITL (per call)": "langchain_hitl:PerCallMiddleware",
    "holdpoint": "holdpoint_queue:Holdpoint",
    "no gate": "no_gate:NoGate",
}
OURS, CONTROL = "interlock", "no gate"


def system_named(name: str) -> type[System]:
    """The contender's class."""
    module, _, attribute = HOMES[name].partition(":")
    found: type[System] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
