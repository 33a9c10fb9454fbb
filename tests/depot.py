"""An agent whose calls can be undone, for tests of pages and commands about rollbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from integration.engine.graphs import ask, scripted
from interlock import Agent, tool
from interlock.tools import Undo
from interlock.tools.spec import SEND_WITHIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from interlock.tools import GatedTool


@tool(effect="read")
def look(box: str) -> str:
    """Look at a box."""
    return box


@tool(effect="irreversible", headline=lambda box: f"Ship box {box}")
def ship(box: str) -> str:
    """Ship a box."""
    return f"shipped {box}"


def depot(
    *calls: tuple[str, str],
    undo: Callable[[dict[str, Any], Any], Any] = lambda *_: None,
    final: bool = False,
    name: str = "depot",
    send_within: timedelta = SEND_WITHIN,
) -> Agent:
    """An agent that makes these calls; `stow` is undone by `undo`, once and for all if `final`."""
    kind = Undo(undo, effect="irreversible" if final else "reversible")

    @tool(effect="reversible", undo=kind, send_within=send_within)
    def stow(box: str) -> str:
        """Put a box on the shelf."""
        return f"put {box}"

    tools: list[GatedTool] = [stow, look, ship]
    turns = [[ask(of, {"box": box}, f"c{n}")] for n, (of, box) in enumerate(calls)]
    return Agent(name, graph=lambda: scripted(tools, *turns), tools=tools)
