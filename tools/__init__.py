"""Effects, the tool decorator, and tools that ask the gate before they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .effect import Classification, Effect, Source
from .late import late
from .spec import ToolDeclarationError, ToolSpec
from .undo import Undo

if TYPE_CHECKING:
    from .decorator import gate, tool
    from .gated import (
        CallContext,
        GatedTool,
        Happened,
        NotDone,
        OutsideRun,
        Refused,
        current_call,
    )

__all__ = [
    "CallContext",
    "Classification",
    "Effect",
    "GatedTool",
    "Happened",
    "NotDone",
    "OutsideRun",
    "Refused",
    "Source",
    "ToolDeclarationError",
    "ToolSpec",
    "Undo",
    "current_call",
    "gate",
    "tool",
]

_GATED = (
    "CallContext",
    "GatedTool",
    "Happened",
    "NotDone",
    "OutsideRun",
    "Refused",
    "current_call",
)

__getattr__ = late(
    __name__,
    {"gate": ".decorator", "tool": ".decorator", **dict.fromkeys(_GATED, ".gated")},
)
