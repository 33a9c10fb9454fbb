"""Interlock: agents run at full speed, and nothing irreversible runs without a person."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engine import strict as _strict  # noqa: F401 - before anything imports langgraph

if TYPE_CHECKING:
    from .engine.agent import Agent
    from .engine.client import Client
    from .engine.limits import Limits
    from .tools import gate, tool

__all__ = ["Agent", "Client", "Limits", "gate", "tool"]

# Imported when first asked for: the command line starts in a fraction of LangGraph's time.
_HOMES = {
    "Agent": ".engine.agent",
    "Client": ".engine.client",
    "Limits": ".engine.limits",
    "gate": ".tools",
    "tool": ".tools",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'interlock' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name], __name__), name)
