"""Effects, the tool decorator, and tools that ask the gate before they run."""

from .decorator import gate, tool
from .effect import Classification, Effect, Source
from .gated import CallContext, GatedTool, NotDone, OutsideRun, Refused, current_call
from .spec import ToolDeclarationError, ToolSpec

__all__ = [
    "CallContext",
    "Classification",
    "Effect",
    "GatedTool",
    "NotDone",
    "OutsideRun",
    "Refused",
    "Source",
    "ToolDeclarationError",
    "ToolSpec",
    "current_call",
    "gate",
    "tool",
]
