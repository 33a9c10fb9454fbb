"""Patterns over LangGraph, each an ordinary `StateGraph` that can be built on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...tools.late import late

if TYPE_CHECKING:
    from .aggregation import aggregate
    from .assessment import Assessment, Refused
    from .linear import chain
    from .parallel import fan_out
    from .react import react_agent
    from .rules import Agreed, Disagreed, Rule, majority, unanimous, veto, weighted

__all__ = [
    "Agreed",
    "Assessment",
    "Disagreed",
    "Refused",
    "Rule",
    "aggregate",
    "chain",
    "fan_out",
    "majority",
    "react_agent",
    "unanimous",
    "veto",
    "weighted",
]

__getattr__ = late(
    __name__,
    {
        "Agreed": ".rules",
        "Assessment": ".assessment",
        "Disagreed": ".rules",
        "Refused": ".assessment",
        "Rule": ".rules",
        "aggregate": ".aggregation",
        "chain": ".linear",
        "fan_out": ".parallel",
        "majority": ".rules",
        "react_agent": ".react",
        "unanimous": ".rules",
        "veto": ".rules",
        "weighted": ".rules",
    },
)
